import { generateIdentity, identityToRecipient } from 'age-encryption';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNewFile } from '../../../src/cli/new-file.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys } from '../support/operator.ts';

let folder: string;
let recipient: string;
let identity: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'backup-file-'));
  const key = await generateIdentity();
  identity = join(folder, 'key.txt');
  await writeFile(identity, key);
  recipient = await identityToRecipient(key);
});
afterEach(stopServices);
afterAll(() => rm(folder, { recursive: true }));

const backup = (file: string) => ['backup', '--to', file, '--recipient', recipient];

test('a backup lists its file as changed, also where its tag is recent enough', async () => {
  const ring = await ringWith(current(1));
  for (const name of ['first.age', 'second.age']) {
    const file = join(folder, name);
    const { stdout } = await pazpazKeys(ring, backup(file));
    expect(stdout).toContain(`Changed:\n  wrote ${file}\n`);
  }
});

test('doctor counts the age of a backup by the clock of AWS', async () => {
  const ring = await ringWith(current(1));
  await ring.enableRotation();
  await pazpazKeys(ring, backup(join(folder, 'old.age')));
  await ring.service.advance(49 * HOUR);
  const { stdout } = await pazpazKeys(ring, ['doctor'], { clockError: 240 * HOUR });
  expect(stdout).toContain('the tag of the last backup, 2 days ago');
});

test('a ring that was restored from a backup says that later keys are not in it', async () => {
  const file = join(folder, 'older.age');
  await pazpazKeys(await ringWith(previous(1), current(2)), backup(file));
  const restored = await ringWith();
  const args = ['restore-ring', file, '--identity', identity, '--yes'];
  const { stdout } = await pazpazKeys(restored, args);
  const text = stdout.replaceAll(/\s+/g, ' ');
  expect(text).toContain('keys made since are not in it. Before the next rotation');
  expect(text).toContain('pazpaz-keys census --columns columns.json');
  const again = await pazpazKeys(restored, [...args, '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({ result: { backupMadeAt: expect.stringMatching(/Z$/) as string } });
  expect((await pazpazKeys(restored, args)).stdout).not.toContain('keys made since');
});

test.each([
  ['a file', (path: string) => writeFile(path, 'mine')],
  ['a symbolic link to nothing', (path: string) => symlink(join(folder, 'nowhere'), path)],
])('%s is in the way of a backup before anything is changed, also in a dry run', async (what, make) => {
  const ring = await ringWith(previous(), current());
  const before = ring.snapshot;
  const file = join(folder, `${what.replaceAll(' ', '-')}.age`);
  await make(file);
  for (const option of [[], ['--dry-run']]) {
    const { exitCode, stderr } = await pazpazKeys(ring, [...backup(file), ...option]);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('it exists already') as string,
    });
  }
  expect(ring.snapshot).toBe(before);
});

test('a file is there as a whole or not at all, and one of several writers wins', async () => {
  const place = await mkdtemp(join(folder, 'place-'));
  const file = join(place, 'ring.age');
  const bytes = [1, 2, 3, 4].map((one) => Buffer.alloc(2_000_000, one));
  let seen = 0;
  const isWhole = async (): Promise<void> => {
    const length = (await readFile(file).catch(() => undefined))?.length;
    if (length !== undefined) seen += 1;
    expect([undefined, 2_000_000]).toContain(length);
  };
  const writers = bytes.map((one) => writeNewFile(file, one));
  for (let times = 0; times < 20; times += 1) await isWhole();
  const outcomes = await Promise.allSettled(writers);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
  await isWhole();
  expect(seen).toBeGreaterThan(0);
  expect(await readdir(place)).toEqual(['ring.age']);
});
