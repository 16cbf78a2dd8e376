import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { EVIDENCE_SCHEMA } from '../../../src/cli/evidence/schema.ts';
import { listVersions } from '../../../src/cli/ring/versions.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { asDescribed } from '../support/described.ts';
import { giveCredentials, operatorOf, pazpazKeys, type Ran } from '../support/operator.ts';

let folder: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'evidence-'));
});
afterEach(stopServices);
afterAll(() => rm(folder, { recursive: true }));

const isEvidence = new Ajv().compile(EVIDENCE_SCHEMA);
let reports = 0;

interface Written extends Ran {
  readonly out: string;
  readonly evidence: Evidence;
}

/** Runs the command without rows, holds its file to the schema, and reads it. */
async function report(ring: TestRing, ...args: readonly string[]): Promise<Written> {
  const out = join(folder, `report-${(reports += 1)}`);
  const ran = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', out, ...args]);
  const text = await readFile(join(out, 'evidence.json'), 'utf8').catch(() => {
    throw new Error(`no report: ${ran.stderr}`);
  });
  const evidence: unknown = JSON.parse(text);
  expect(isEvidence(evidence) ? [] : isEvidence.errors).toEqual([]);
  return { ...ran, out, evidence: evidence as Evidence };
}

async function oldRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  return ring;
}

/** Checks reports, and returns the outcome of each check of each. */
async function verify(ring: TestRing, ...folders: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await pazpazKeys(ring, ['evidence', '--verify', ...folders, '--json']);
  const { result } = asDescribed('evidence', stdout) as {
    result: { reports: readonly { checks: readonly { what: string; outcome: string }[] }[] };
  };
  return result.reports.flatMap(({ checks }) => checks.map(({ what, outcome }) => `${what} ${outcome}`));
}

describe('a report', () => {
  test('says of each key when it was made, when it encrypted, and what it is now', async () => {
    const { evidence, exitCode } = await report(await oldRing());
    expect(evidence.keys.map(({ number, state }) => [number, state])).toEqual([
      [1, 'reads'],
      [2, 'previous'],
      [3, 'current'],
    ]);
    expect(evidence.secret).toMatchObject({ currentNumber: 3, name: 'pazpaz/encryption-key-v1' });
    expect(evidence.history.map(({ event, number }) => [event, number])).toEqual([
      ['key-made', 1],
      ['key-made', 2],
      ['key-made', 3],
    ]);
    expect(exitCode).toBe(0);
  });

  test.each([
    [[], 'no key encrypts new data, no key decrypts'],
    [[current()], 'a key without a number encrypts new data, one key decrypts'],
    [[previous(), current()], 'a key without a number encrypts new data, 2 keys decrypt'],
    [[previous(1), holding('not a key', current())], 'no key encrypts new data, one key decrypts'],
  ])('counts keys without a number, and no value that is not a key: %j', async (versions, sentence) => {
    const { evidence, out } = await report(await ringWith(...versions));
    expect(evidence.verdict.sentence).toContain(`; ${sentence}, `);
    const page = await readFile(join(out, 'evidence.html'), 'utf8');
    expect(page.includes('>encrypts new data<br')).toBe(!sentence.startsWith('no key encrypts'));
  });

  test('names a retired key, also after AWS has deleted it', async () => {
    const ring = await oldRing();
    await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    const { evidence } = await report(ring);
    expect(evidence.keys[0]).toMatchObject({ number: 1, state: 'retired' });
    expect(evidence.history).toContainEqual(expect.objectContaining({ event: 'key-retired', number: 1 }));
  });

  test('begins with what is overdue, and the exit code is then 1', async () => {
    const ring = await ringWith(previous(1), current(2));
    const { evidence, exitCode, stdout } = await report(ring);
    expect(evidence.verdict.overdue).toMatchObject([{ code: 'rotation-off' }]);
    expect(evidence.verdict.sentence).toContain('One thing is overdue or wrong');
    expect(stdout).toContain('Rotation is off');
    expect(exitCode).toBe(1);
  });

  test('says once, and in plain words, that a rotation does not finish', async () => {
    const ring = await oldRing();
    ring.lambda = 'fails';
    const begun = new Date(ring.service.clock.now()).toISOString().slice(0, 10);
    await ring.rotate();
    await ring.service.advance(25 * HOUR);
    const { verdict } = (await report(ring)).evidence;
    expect(verdict.overdue.map(({ text }) => text)).toEqual([
      `A rotation that began on ${begun} has not finished, which takes seconds otherwise: the function's log says why.`,
    ]);
    expect(verdict.notices.map(({ code }) => code)).not.toContain('rotation-refused');
  });

  test('says that rows were not counted, and what else could not be seen', async () => {
    const { evidence } = await report(await oldRing());
    expect(evidence.rows).toEqual({ isCounted: false, isAsked: false, why: 'not asked for (--no-rows)' });
    expect(evidence.unseen).toContainEqual(expect.objectContaining({ what: 'how many rows each key opens' }));
  });

  test.each([1, 2, 3])('says of key %i when it encrypted, also where AWSPENDING was left on it', async (number) => {
    const ring = await oldRing();
    await ring.label('AWSPENDING', number);
    await ring.service.advance(25 * HOUR);
    const { evidence } = await report(ring);
    expect(evidence.keys[number - 1]?.current).toHaveLength(1);
    expect(evidence.verdict.overdue.map(({ code }) => code)).toEqual(number === 3 ? [] : ['rotation-left-over']);
  });

  test('holds no key of the ring', async () => {
    const { out, stdout } = await report(await oldRing());
    for (const name of ['evidence.json', 'evidence.html']) {
      const text = await readFile(join(out, name), 'utf8');
      for (const place of [1, 2, 3]) expect(text).not.toContain(keyOf(place).toString('base64'));
    }
    expect(stdout).toContain(join(out, 'evidence.html'));
  });

  test('replaces no other, and needs a folder and columns', async () => {
    const ring = await oldRing();
    const { out } = await report(ring);
    const again = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', out]);
    expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining('has a report already')]);
    for (const args of [['--no-rows'], ['--out', join(folder, 'never')]]) {
      expect((await pazpazKeys(ring, ['evidence', ...args])).exitCode).toBe(2);
    }
  });
});

test('the versions of a secret end where a service gives an empty token for the next page', async () => {
  let calls = 0;
  const { deps } = operatorOf(await oldRing(), (secrets) => ({
    ...secrets,
    listSecretVersionIds: async (input) => {
      calls += 1;
      if (calls > 1) throw new Error('the list has ended');
      return { ...(await secrets.listSecretVersionIds(input)), NextToken: '' };
    },
  }));
  expect(await listVersions(deps)).toHaveLength(3);
});

describe('--verify', () => {
  test('finds every report of a chain as it was written, without a secret', async () => {
    const ring = await oldRing();
    const first = await report(ring);
    await ring.service.advance(HOUR);
    const second = await report(ring, '--previous', first.out);
    await ring.service.advance(HOUR);
    const third = await report(ring, '--previous', join(second.out, 'evidence.json'));
    expect(second.evidence.previous).toMatchObject({ madeAt: first.evidence.madeAt });
    expect(await verify(ring, third.out, first.out, second.out)).toEqual([
      ...['files good', 'signature not checked', 'chain not checked'],
      ...['files good', 'signature not checked', 'chain good'],
      ...['files good', 'signature not checked', 'chain good'],
    ]);
    const { exitCode } = await pazpazKeys(ring, ['evidence', '--verify', first.out], {
      environment: { SECRETS_MANAGER_KEY_NAME: '', AWS_REGION: '' },
    });
    expect(exitCode).toBe(0);
  });

  test.each(['evidence.json', 'evidence.html'])('finds a change of %s', async (name) => {
    const ring = await oldRing();
    const { out } = await report(ring);
    const text = await readFile(join(out, name), 'utf8');
    await writeFile(join(out, name), text.replace('encryption-key-v1', 'encryption-key-v2'));
    expect(await verify(ring, out)).toContain('files bad');
    expect((await pazpazKeys(ring, ['evidence', '--verify', out])).exitCode).toBe(1);
  });

  test('finds a report that was left out, and one that does not name the one before', async () => {
    const ring = await oldRing();
    const first = await report(ring);
    await ring.service.advance(HOUR);
    const second = await report(ring, '--previous', first.out);
    await ring.service.advance(HOUR);
    const third = await report(ring, '--previous', second.out);
    const unchained = await report(ring);
    expect(await verify(ring, first.out, third.out)).toContain('chain bad');
    expect(await verify(ring, first.out, unchained.out)).toContain('chain bad');
  });

  test('refuses what is no report', async () => {
    const ring = await oldRing();
    const out = await mkdtemp(join(folder, 'none-'));
    await writeFile(join(out, 'evidence.json'), '{"format": "other"}');
    expect((await pazpazKeys(ring, ['evidence', '--verify', out])).stderr).toContain('INVALID_EVIDENCE');
    expect((await pazpazKeys(ring, ['evidence', '--verify', join(folder, 'missing')])).exitCode).toBe(2);
  });
});
