import { UpdateSecretVersionStageCommand } from '@aws-sdk/client-secrets-manager';
import { runRotate } from '../../../src/cli/commands/rotate.ts';
import { runPut } from '../../../src/cli/commands/put.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { runMaintain } from '../../../src/cli/ring/maintenance.ts';
import { recommended } from '../../../src/cli/status/notes.ts';
import { stopServices } from '../../local/support/running-service.ts';
import {
  current,
  holding,
  keyOf,
  previous,
  ringWith,
  SECRET,
  type RingVersion,
  type TestRing,
} from '../../support/ring.ts';
import { counting, giveCredentials, operatorOf, pazpazKeys, spell, valueOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

async function rotating(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await ringWith(...versions);
  await ring.enableRotation();
  return ring;
}

const codes = async (ring: TestRing) => (await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code);

async function maintained(ring: TestRing) {
  const rows = {
    leftByLast: () => Promise.resolve(0),
    reencrypt: () => Promise.resolve([]),
    census: counting(),
  };
  return runMaintain(operatorOf(ring).deps, rows, { keep: 2, retire: 'do' });
}

/** Runs what `status` names until it names nothing. */
async function followed(ring: TestRing): Promise<readonly string[]> {
  const done: string[] = [];
  for (;;) {
    const first = recommended((await runStatus(operatorOf(ring).deps)).notes);
    if (first === undefined || done.length > 5) return done;
    const line = spell(first);
    done.push(line);
    if (line.startsWith('aws ')) await byHand(ring, line);
    else {
      const [, ...args] = line.split(' ');
      const yes = args[0] === 'adopt' ? [] : ['--yes'];
      const { exitCode, stderr } = await pazpazKeys(ring, [...args, ...yes], { stdin: keyOf(70).toString('base64') });
      if (exitCode !== 0) throw new Error(`${line}: ${stderr}`);
    }
  }
}

async function byHand(ring: TestRing, line: string): Promise<void> {
  const option = (name: string) => new RegExp(`--${name} (\\S+)`).exec(line)?.[1];
  await ring.client.send(
    new UpdateSecretVersionStageCommand({
      SecretId: SECRET,
      VersionStage: option('version-stage'),
      MoveToVersionId: option('move-to-version-id'),
      RemoveFromVersionId: option('remove-from-version-id'),
    }),
  );
}

const detaching = (ring: TestRing, label: string, place: number): string =>
  `aws secretsmanager update-secret-version-stage --secret-id ${SECRET} --version-stage ${label} --remove-from-version-id ${ring.idOf(place)}`;

describe('a number on a value that is no key', () => {
  const byHandOn = () => rotating(1, holding('not a key', 5), 2, previous(3), current(4));

  test('is named by doctor, adopt and maintain, and by status once a rotation fails, with the call that removes it', async () => {
    const ring = await byHandOn();
    const call = detaching(ring, 'key-v5', 2);
    expect(await codes(ring)).toEqual([]);
    await ring.begin();
    for (const command of ['status', 'doctor', 'adopt']) {
      const { stdout } = await pazpazKeys(ring, [command]);
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(call);
    }
    expect((await maintained(ring)).next).toContainEqual(
      expect.objectContaining({ code: 'number-on-no-key', needsPerson: true, next: [call] }),
    );
    expect(await followed(ring)).toEqual([call, 'pazpaz-keys rotate --wait']);
    expect(ring.labels[2]).toBe('');
    expect(await codes(ring)).toEqual([]);
  });

  test('lets rotate refuse before anything begins, because every key is proven at the end', async () => {
    const ring = await byHandOn();
    await refusesUntouched(ring, runRotate, 'INVALID_KEY_VALUE', 'key-v5', detaching(ring, 'key-v5', 2));
  });

  test.each([
    ['current', [1, previous(2), holding('not a key', current(3))], ['key-v3', '--clean-up', 'rollback']],
    ['the only one', [holding('not a key', current(1))], ['key-v1', '--clean-up', 'put']],
    ['previous', [1, holding('not a key', previous(2)), current(3)], ['key-v2', 'rotate']],
  ] as const)('leads to a ring that rotates where it is %s', async (_, versions, words) => {
    const ring = await rotating(...versions);
    await ring.begin();
    const lines = await followed(ring);
    expect(lines).toHaveLength(words.length);
    for (const [index, word] of words.entries()) expect(lines[index]).toContain(word);
    expect((await ring.rotate()).outcome).toBe('succeeded');
  });
});

describe('the highest number that there can be', () => {
  test('is named by status, doctor, adopt and maintain, and the key keeps a label at every moment', async () => {
    const ring = await rotating(1, 999_999_999, previous(2), current(3));
    const call = detaching(ring, 'key-v999999999', 2);
    for (const command of ['status', 'doctor', 'adopt']) {
      const { stdout } = await pazpazKeys(ring, [command]);
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(call);
    }
    expect((await maintained(ring)).next.map(({ code }) => code)).toContain('number-at-limit');
    expect(await followed(ring)).toEqual([
      expect.stringContaining('--version-stage key-v4 --move-to-version-id'),
      call,
    ]);
    expect(ring.labels[2]).toBe('key-v4');
    expect(await codes(ring)).toEqual([]);
  });

  test('on the current key goes, and adopt numbers the key', async () => {
    const ring = await rotating(1, previous(2), current(999_999_999));
    expect(await followed(ring)).toEqual([detaching(ring, 'key-v999999999', 3), 'pazpaz-keys adopt']);
    expect(ring.labels[3]).toBe('AWSCURRENT key-v3');
  });

  test('lets rotate, put and the first step refuse before they write', async () => {
    const ring = await rotating(999_999_999, previous(2), current(3));
    const call = 'update-secret-version-stage';
    await refusesUntouched(ring, runRotate, 'RING_FULL', 'key-v999999999', call);
    await refusesUntouched(ring, (deps) => runPut(deps, valueOf(9)), 'RING_FULL', 'key-v999999999', call);
    await ring.begin();
    await expect(ring.step('createSecret')).rejects.toMatchObject({ code: 'RING_FULL' });
  });
});
