import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { runBackup } from '../../../src/cli/commands/backup.ts';
import { runPutNotCurrent } from '../../../src/cli/commands/put.ts';
import { givenText } from '../../../src/cli/ring/supplied-key.ts';
import { bringKeys } from '../../../src/cli/backup/bring-keys.ts';
import { backedUpKey, type RingBackup } from '../../../src/cli/backup/ring-backup.ts';
import { writeNewFile } from '../../../src/cli/new-file.ts';
import { readRing } from '../../../src/cli/backup/read-ring.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { describedRing } from '../../../src/cli/ring/ring.ts';
import { KeyRotationError } from '../../../src/format/error.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { checkOf, examined, found } from '../support/examined.ts';
import { describeSecret, firstSeeing } from '../support/old-descriptions.ts';
import { startKms, type LocalKms } from '../support/local-kms.ts';
import { giveCredentials, numbers, operatorOf, pazpazKeys } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';
import { retire, settledRing } from '../support/retiring.ts';

let folder: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'backup-'));
});
afterEach(stopServices);
afterAll(() => rm(folder, { recursive: true }));

/** A private key of the age format in a file, its public key, and a file for a backup. */
async function recipient(): Promise<{ readonly to: string; readonly identity: string; readonly file: string }> {
  const key = await generateX25519Identity();
  const place = await mkdtemp(join(folder, 'one-'));
  const identity = join(place, 'key.txt');
  await writeFile(identity, `# created by a test\n${key}\n`);
  return { to: await identityToRecipient(key), identity, file: join(place, 'ring.age') };
}

async function backupOf(ring: TestRing): Promise<RingBackup> {
  const { deps } = operatorOf(ring);
  return readRing(deps, await describedRing(deps));
}

/** The key that each number names, and the number of the current key. */
async function keysOf(ring: TestRing): Promise<object> {
  const { keys } = await backupOf(ring);
  return Object.fromEntries(
    keys.flatMap(({ numbers: all, key, isCurrent }) =>
      all.map((number) => [number, `${key.exportBytes().toString('hex')}${isCurrent ? ' current' : ''}`]),
    ),
  );
}

const JSON_VALUE = JSON.stringify({ encryption_key: keyOf(2).toString('base64'), owner: 'clinic' });

describe('the two commands', () => {
  test('bring a whole ring back into an empty secret: every number, every value, the same current key', async () => {
    const ring = await ringWith(holding(JSON_VALUE, 2), holding(keyOf(3), previous(3)), current(5));
    const { to, identity, file } = await recipient();
    const backup = await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to]);
    expect(backup).toMatchObject({ exitCode: 0, stderr: '' });
    expect(backup.stdout).toContain(`Keys 2, 3, 5: in ${file}.`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const place of [1, 2, 3]) {
      const bytes = await readFile(file);
      expect(bytes.includes(keyOf(place))).toBe(false);
      expect(bytes.includes(keyOf(place).toString('base64'))).toBe(false);
    }

    const empty = await ringWith();
    const dry = await pazpazKeys(empty, ['restore-ring', file, '--identity', identity, '--dry-run']);
    expect(dry.stdout).toMatch(/^Keys 2, 3, 5: would be restored from the backup\.\n/);
    expect(dry.stdout).toMatch(/\nDry run, nothing was changed\. It would:\n {2}store a value as version /);
    const restored = await pazpazKeys(empty, ['restore-ring', file, '--identity', identity, '--yes', '--json']);
    expect(JSON.parse(restored.stdout)).toMatchObject({
      result: { brought: [2, 3, 5], wereThere: [], retired: [], current: 5, currentInBackup: 5 },
    });
    expect(restored.exitCode).toBe(0);
    expect(await keysOf(empty)).toEqual(await keysOf(ring));
    const values = Object.values(empty.secret.versions).map(({ value }) => JSON.stringify(value));
    expect(values.join()).toContain('clinic');
    expect(restored.stdout + restored.stderr).not.toContain(keyOf(3).toString('base64'));
  });

  test('a backup is never written over a file, and a dry run writes none', async () => {
    const ring = await ringWith(current(1));
    const { to, file } = await recipient();
    const dry = await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to, '--dry-run']);
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout).toMatch(
      /^Dry run, nothing was changed\. It would:\n {2}write .*ring\.age\n {2}set the tag pazpaz:backup/,
    );
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    await writeFile(file, 'mine');
    const before = ring.snapshot;
    const { exitCode, stderr } = await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to]);
    expect({ exitCode, text: await readFile(file, 'utf8') }).toEqual({ exitCode: 2, text: 'mine' });
    expect(stderr).toContain('cannot be written');
    expect(ring.snapshot).toBe(before);
  });

  test('say what is wrong with a recipient, a file or an identity, and quote none', async () => {
    const ring = await ringWith(current(1));
    const { to, identity, file } = await recipient();
    const other = await recipient();
    const stderrOf = async (...args: string[]) => {
      const { exitCode, stderr } = await pazpazKeys(ring, args);
      return { exitCode, stderr };
    };
    expect(await stderrOf('backup', '--to', file)).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining('Who can open the backup?') as string,
    });
    expect(await stderrOf('backup', '--to', file, '--recipient', `${to}x`)).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining('A recipient is misspelt') as string,
    });
    await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to]);
    const refused = { exitCode: 1, stderr: expect.stringContaining('cannot be decrypted') as string };
    expect(await stderrOf('restore-ring', file, '--identity', other.identity)).toEqual(refused);
    await writeFile(other.file, (await readFile(file)).subarray(0, -20));
    expect(await stderrOf('restore-ring', other.file, '--identity', identity)).toEqual(refused);
    expect(await stderrOf('restore-ring', file, '--identity', file)).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining('AGE-SECRET-KEY-1') as string,
    });
    const [key = ''] = (await readFile(identity, 'utf8')).split('\n').slice(1);
    const misspelt = `${key.slice(0, -1)}${key.endsWith('Q') ? 'P' : 'Q'}`;
    await writeFile(other.identity, misspelt);
    for (const named of [other.identity, misspelt]) {
      const { exitCode, stderr } = await stderrOf('restore-ring', file, '--identity', named);
      expect(exitCode).toBe(2);
      expect(stderr).not.toContain(misspelt.slice(20));
    }
    expect((await stderrOf('restore-ring', join(folder, 'none'), '--identity', identity)).exitCode).toBe(2);
  });

  test('a key that cannot be read stops a backup: it would hide the loss', async () => {
    const ring = await ringWith(holding('not a key', 1), previous(2), current(3));
    const { to, file } = await recipient();
    const { exitCode, stderr } = await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Key 1 of the ring');
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('doctor names the keys that the last backup lacks, once there was one', async () => {
  const ring = await ringWith(previous(1), current(2));
  await ring.enableRotation();
  expect((await examined(ring)).result.checks.map(({ code }) => code)).not.toContain('not-in-backup');
  const { to, file } = await recipient();
  await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to]);
  await ring.service.advance(3 * 24 * HOUR);
  const { checks, codes } = await found(ring);
  expect(codes).toEqual([]);
  expect(checkOf(checks, 'not-in-backup').how).toBe('the tag of the last backup, 3 days ago, with keys 1, 2');
  await ring.rotate();
  const { text } = await found(ring);
  expect(text).toContain('Key 3 of the ring: not in the last backup');
  expect(text).toContain('pazpaz-keys backup --to FILE --recipient RECIPIENT');
});

test('a backup from an old description says which key it lacks', async () => {
  const ring = await ringWith(current(1));
  const old = await describeSecret(ring);
  await ring.rotate();
  const { to, file } = await recipient();
  const deps = firstSeeing(ring, old);
  const run = runBackup(deps, { file, recipients: [to], write: writeNewFile });
  await expect(run).rejects.toMatchObject({ code: 'STATE_CHANGED' });
  await expect(run).rejects.toThrow('key 2');
});

test('a backup every day changes the secret once a week, so that keys can still be retired', async () => {
  const ring = await ringWith(current(1));
  const days: unknown[] = [];
  for (let day = 0; day < 8; day += 1) {
    const { to, file } = await recipient();
    await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to]);
    days.push(ring.secret.lastChangedDate);
    await ring.service.advance(24 * HOUR);
  }
  expect(new Set(days).size).toBe(2);
});

describe('with a KMS key', () => {
  const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  let kms: LocalKms;
  beforeAll(async () => {
    kms = await startKms();
  });
  afterAll(() => kms.stop());

  test('KMS encrypts and decrypts the key of the file, and anyone who has the private key needs no KMS', async () => {
    const ring = await ringWith(previous(1), current(2));
    const { to, identity, file } = await recipient();
    await pazpazKeys(ring, ['backup', '--to', file, '--recipient', to, '--kms-key-id', KEY]);
    const [empty, other] = [await ringWith(), await ringWith()];
    expect(await pazpazKeys(empty, ['restore-ring', file, '--yes'])).toMatchObject({ exitCode: 0 });
    expect(kms.calls).toEqual([`Encrypt ${KEY}`, `Decrypt ${KEY}`]);
    expect(await pazpazKeys(other, ['restore-ring', file, '--yes', '--identity', identity])).toMatchObject({
      exitCode: 0,
    });
    expect(kms.calls).toHaveLength(2);
    for (const restored of [empty, other]) expect(await keysOf(restored)).toEqual(await keysOf(ring));
  });

  test('any one of several KMS keys opens it, also when another is lost', async () => {
    const ring = await ringWith(current(1));
    const { file } = await recipient();
    const lost = KEY.replace('eu-west-1', 'us-west-2');
    await pazpazKeys(ring, ['backup', '--to', file, '--kms-key-id', lost, '--kms-key-id', KEY]);
    kms.lose(lost);
    expect(await pazpazKeys(await ringWith(), ['restore-ring', file, '--yes'])).toMatchObject({ exitCode: 0 });
  });

  test('says which right is missing, and writes nothing', async () => {
    const ring = await ringWith(current(1));
    const { file } = await recipient();
    kms.deny('AccessDeniedException');
    const { exitCode, stderr } = await pazpazKeys(ring, ['backup', '--to', file, '--kms-key-id', KEY]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('kms:Encrypt');
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    kms.deny(undefined);
    await pazpazKeys(ring, ['backup', '--to', file, '--kms-key-id', KEY]);
    kms.deny('AccessDeniedException');
    const refused = await pazpazKeys(await ringWith(), ['restore-ring', file, '--yes']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('kms:Decrypt');
    kms.deny(undefined);
  });
});

describe('restore-ring', () => {
  test('brings what a ring lacks, and leaves its current key and the retired ones', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const backup = await backupOf(ring);
    const before = await keysOf(ring);
    await retire(ring, 1);
    await ring.detach('key-v2');
    expect(await bringKeys(operatorOf(ring).deps, backup)).toEqual({
      brought: numbers(2),
      wereThere: numbers(3, 4),
      taken: [],
      retired: numbers(1),
      notInBackup: [],
      current: toKeyNumber(4),
    });
    const { 1: retired, ...others } = before as { readonly 1: string };
    expect(retired).toBeDefined();
    expect(await keysOf(ring)).toEqual(others);
    expect(await bringKeys(operatorOf(ring).deps, backup, { withRetired: true })).toMatchObject({
      brought: numbers(1),
    });
    expect(await keysOf(ring)).toEqual(before);
    const copies = [1, 2].map((place) => `pazpaz:copy:${ring.idOf(place)}`);
    expect(ring.secret.tags.map(({ Key }) => Key).sort()).toEqual(copies);
  });

  test('brings the other keys where a number was given to another key meanwhile, and takes it from none', async () => {
    const full = await ringWith(1, 2, 3, previous(4), current(5));
    const backup = await backupOf(full);
    const ring = await ringWith(1, previous(2), current(3));
    const theirs = givenText(keyOf(40).toString('base64'), 'The test');
    let puts = 0;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      putSecretValue: async (input) => {
        puts += 1;
        // Another operator, between the description and the first put.
        if (puts === 1) await runPutNotCurrent(operatorOf(ring).deps, theirs);
        return secrets.putSecretValue({ ...input, ClientRequestToken: `${input.ClientRequestToken ?? ''}-restored` });
      },
    }));
    const result = await bringKeys(deps, backup);
    expect(result).toMatchObject({ brought: numbers(5), wereThere: numbers(1, 2, 3), taken: numbers(4) });
    const keys = await keysOf(ring);
    expect(keys).toMatchObject({ 4: keyOf(40).toString('hex'), 5: keyOf(5).toString('hex') });
  });

  test('leaves a key its number that came onto an empty secret meanwhile, and says what is current', async () => {
    const backup = await backupOf(await ringWith(1, previous(2), current(3)));
    const ring = await ringWith();
    let puts = 0;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      putSecretValue: async (input) => {
        puts += 1;
        if (puts === 1) {
          await ring.put(keyOf(50).toString('base64'));
          await ring.tick();
        }
        return secrets.putSecretValue(input);
      },
    }));
    const result = await bringKeys(deps, backup);
    expect(result).toMatchObject({ brought: numbers(2, 3), taken: numbers(1), current: toKeyNumber(1) });
    expect(await keysOf(ring)).toMatchObject({ 1: `${keyOf(50).toString('hex')} current` });
  });

  test('takes no ring for its own that shares no number, unless the backup is of this secret', async () => {
    const ring = await ringWith(3, previous(4), current(5));
    const other = await ringWith(previous(1), current(2));
    const backup = { ...(await backupOf(other)), secret: 'arn:aws:secretsmanager:us-east-1:1:secret:other-a1b2c3' };
    await refusesUntouched(ring, (deps) => bringKeys(deps, backup), 'NOT_RESTORABLE', 'the backup of another ring');
  });

  test('refuses another ring, a rotation under way and a full ring, and leaves the secret as it was', async () => {
    const ring = await ringWith(previous(1), current(2));
    const other = await ringWith(holding(keyOf(8), 1), holding(keyOf(9), current(2)));
    const backup = { ...(await backupOf(other)), secret: 'another' };
    await refusesUntouched(ring, (deps) => bringKeys(deps, backup), 'NOT_RESTORABLE', 'the backup of another ring');
    const own = await backupOf(ring);
    await ring.put(keyOf(9).toString('base64'), undefined, ['AWSPENDING']);
    await refusesUntouched(ring, (deps) => bringKeys(deps, own), 'ROTATION_UNDER_WAY');
    const full = await ringWith(...Array.from({ length: 15 }, (_, index) => index + 1), previous(16), current(17));
    const larger = withKey(await backupOf(full), 18);
    await refusesUntouched(full, (deps) => bringKeys(deps, larger), 'RING_FULL');
  });

  test('brings a ring of 17 keys, and one whose current key is not the highest', async () => {
    const full = await ringWith(...Array.from({ length: 15 }, (_, index) => index + 1), current(16), previous(17));
    const empty = await ringWith();
    await bringKeys(operatorOf(empty).deps, await backupOf(full));
    expect(await keysOf(empty)).toEqual(await keysOf(full));
  });

  test.each([
    ['one key', [current(1)]],
    ['keys 1 and 2', [previous(1), current(2)]],
    ['a gap, and a current key below the highest', [2, current(4), previous(5)]],
  ] as const)('killed before and after every call, and run again, ends with %s', async (_, versions) => {
    const full = await ringWith(...versions);
    const backup = await backupOf(full);
    const wanted = await keysOf(full);
    for (let kill = 1, wasKilled = true; wasKilled; kill += 1) {
      const ring = await ringWith();
      const { deps } = operatorOf(ring, (secrets) => dyingAt(secrets, kill));
      wasKilled = await bringKeys(deps, backup).then(
        () => false,
        (error: unknown) => {
          if (error instanceof Error && error.message === 'killed') return true;
          throw error;
        },
      );
      await bringKeys(operatorOf(ring).deps, backup);
      expect(await keysOf(ring)).toEqual(wanted);
      expect(labelsOf(ring)).toEqual(labelsOf(full));
    }
  });

  test('two at once bring the ring once', async () => {
    const full = await ringWith(1, previous(2), current(3));
    const ring = await ringWith();
    const backup = await backupOf(full);
    await Promise.all([1, 2].map(() => bringKeys(operatorOf(ring).deps, backup)));
    expect(await keysOf(ring)).toEqual(await keysOf(full));
  });
});

/** The backup with one key more. */
function withKey(backup: RingBackup, number: number): RingBackup {
  const key = backedUpKey(numbers(number), false, { SecretString: keyOf(number).toString('base64') });
  return { ...backup, keys: [...backup.keys, key] };
}

/** Every label, by the number or the role of its version. */
function labelsOf({ secret }: TestRing): readonly string[] {
  return Object.values(secret.versions)
    .flatMap(({ stages }) => stages)
    .filter((label) => label !== 'AWSPREVIOUS')
    .sort();
}

/** Fails at the n-th write: at odd places before its effect, at even ones after it. */
function dyingAt(secrets: OperatorSecrets, place: number): OperatorSecrets {
  let writes = 0;
  const dying =
    <I, O>(call: (input: I) => Promise<O>) =>
    async (input: I): Promise<O> => {
      writes += 2;
      if (writes - 1 === place) throw new KeyRotationError('CANNOT_REACH_AWS', 'killed');
      const answer = await call(input);
      if (writes === place) throw new KeyRotationError('CANNOT_REACH_AWS', 'killed');
      return answer;
    };
  return {
    ...secrets,
    putSecretValue: dying(secrets.putSecretValue),
    updateSecretVersionStage: dying(secrets.updateSecretVersionStage),
  };
}
