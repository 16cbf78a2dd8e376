import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { previousReport, writeReport } from '../../../src/cli/evidence/files.ts';
import type { SignatureVerification } from '../../../src/cli/evidence/verification.ts';
import { verifyReports } from '../../../src/cli/evidence/verify.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forged-'));
});
afterAll(() => rm(folder, { recursive: true }));

const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

interface Report {
  readonly out: string;
  readonly madeAt: string;
  readonly sha256: string;
}

let reports = 0;
/** A report of a day of December, as far as its files are looked at. */
async function report(day: number, previous?: Report, change: object = {}): Promise<Report> {
  const out = join(folder, String((reports += 1)));
  await mkdir(out);
  const madeAt = `2026-12-0${day}T00:00:00.000Z`;
  const json = JSON.stringify({
    format: 'pazpaz-evidence/1',
    madeAt,
    secret: { name: 'the-secret' },
    note: '\ufffd',
    ...(previous === undefined ? {} : { previous: { madeAt: previous.madeAt, sha256: previous.sha256 } }),
    ...change,
  });
  await writeReport(out, new Map(Object.entries({ 'evidence.json': json, 'evidence.html': '<p>' })));
  return { out, madeAt, sha256: sha256(json) };
}

const UNSIGNED: SignatureVerification = { what: 'signature', outcome: 'not checked', how: 'there is none' };
const signed = (signedBy: string): SignatureVerification => ({ what: 'signature', outcome: 'good', how: '', signedBy });

/** The checks of each report that are bad. */
async function badIn(
  all: readonly Report[],
  signatureOf: (out: string) => SignatureVerification = () => UNSIGNED,
): Promise<readonly string[]> {
  const verified = await verifyReports(
    all.map(({ out }) => out),
    (out) => Promise.resolve(signatureOf(out)),
  );
  return verified.flatMap(({ checks }) => checks.filter(({ outcome }) => outcome === 'bad').map(({ what }) => what));
}

async function editSums({ out }: Report, edit: (sums: string) => string): Promise<void> {
  const path = join(out, 'evidence.sha256');
  await writeFile(path, edit(await readFile(path, 'utf8')));
}

describe('checksums', () => {
  test('that sha256sum would refuse are refused here as well', async () => {
    const twice = await report(1);
    await editSums(twice, (sums) => `${'0'.repeat(64)}  evidence.json\n${sums}`);
    expect(await badIn([twice])).toEqual(['files']);
    const other = await report(1);
    await editSums(other, (sums) => `${sums}${'0'.repeat(64)}  other.html\n`);
    expect(await badIn([other])).toEqual(['files']);
    const missing = await report(1);
    await editSums(missing, (sums) => sums.split('\n')[0] ?? '');
    expect(await badIn([missing])).toEqual(['files']);
    const windows = await report(1);
    await editSums(windows, (sums) => sums.replaceAll('\n', '\r\n'));
    await expect(badIn([windows])).rejects.toMatchObject({ code: 'INVALID_EVIDENCE' });
  });

  test('and the chain are over bytes, so that no two files look like one', async () => {
    const first = await report(1);
    const second = await report(2, first);
    const path = join(first.out, 'evidence.json');
    const bytes = await readFile(path);
    const at = bytes.indexOf(Buffer.from('\ufffd'));
    await writeFile(path, Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at + 3)]));
    expect(await badIn([first, second])).toEqual(['files', 'chain']);
  });
});

describe('a chain', () => {
  test('with a fork, a report left out, a date changed, or a report twice is bad', async () => {
    const first = await report(1);
    const second = await report(2, first);
    const fork = await report(3, first);
    const third = await report(4, second);
    expect(await badIn([third, second, first])).toEqual([]);
    expect(await badIn([first, second, fork])).toEqual(['chain']);
    expect(await badIn([first, third])).toEqual(['chain']);
    expect(await badIn([first, first])).toEqual(['chain']);
    expect(await badIn([first, await report(2, { ...first, madeAt: second.madeAt })])).toEqual(['chain']);
    await expect(badIn([await report(1, undefined, { madeAt: '9' })])).rejects.toThrow('holds no report');
  });

  test('is of one secret', async () => {
    const first = await report(1);
    expect(await badIn([first, await report(2, first, { secret: { name: 'another' } })])).toEqual(['chain']);
  });

  test('never continues a report that was changed', async () => {
    const { out } = await report(1);
    expect(await previousReport(join(out, 'evidence.json'))).toMatchObject({ secretName: 'the-secret' });
    await writeFile(join(out, 'evidence.html'), 'changed');
    for (const path of [out, join(out, 'evidence.json')])
      await expect(previousReport(path)).rejects.toMatchObject({ code: 'INVALID_EVIDENCE' });
  });
});

test('within a signed series, a report without a signature or by another key is bad', async () => {
  const first = await report(1);
  const second = await report(2, first);
  const third = await report(3, second);
  const all = [first, second, third];
  expect(await badIn(all, () => signed('one'))).toEqual([]);
  expect(await badIn(all, (out) => (out === third.out ? UNSIGNED : signed('one')))).toEqual(['signature']);
  expect(await badIn(all, (out) => signed(out === third.out ? 'two' : 'one'))).toEqual(['signature']);
  expect(await badIn(all, (out) => (out === first.out ? UNSIGNED : signed('one')))).toEqual([]);
});

describe('a report is written whole or not at all', () => {
  const files = new Map(Object.entries({ 'evidence.json': '{}', 'evidence.html': '' }));

  test('when the signature is refused', async () => {
    const out = await mkdtemp(join(folder, 'refused-'));
    await expect(writeReport(out, files, () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
    expect(await readdir(out)).toEqual([]);
  });

  test('when a later file cannot be written, and what was there stays', async () => {
    const out = await mkdtemp(join(folder, 'half-'));
    await writeFile(join(out, 'evidence.sha256'), 'of someone else');
    await expect(writeReport(out, files)).rejects.toMatchObject({ code: 'INVALID_SETTINGS' });
    expect(await readdir(out)).toEqual(['evidence.sha256']);
  });
});

test('a report that is given twice is not called older than itself', async () => {
  const one = await report(1);
  const [, again] = await verifyReports([one.out, one.out], () => Promise.resolve(UNSIGNED));
  expect(again?.checks).toContainEqual({ what: 'chain', outcome: 'bad', how: `it is the same report as ${one.out}` });
});
