import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { RingReport } from '../../src/cli/status/ring-report.ts';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { moveReencryptionsBack } from '../postgres/support/earlier-times.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';
import { stopServices } from '../local/support/running-service.ts';
import { LAMBDA_ARN } from '../local/support/simple-lambda.ts';
import { HOUR } from '../local/support/state-machine.ts';
import {
  current,
  keyOf,
  previous,
  ringBefore,
  ringWith,
  SECRET,
  type RingVersion,
  type TestRing,
} from '../support/ring.ts';
import { giveCredentials, pazpazKeys } from './support/operator.ts';
import { addRow, fillTable, row, TEXT } from './support/patients-table.ts';

const PAGE = 'docs/operate.md';
const ENVIRONMENT_KEY = keyOf(77).toString('base64');

let postgres: Postgres;
let folder: string;
let recipient: string;

beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'runbook-'));
  const identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  await writeFile(join(folder, 'age-key.txt'), identity);
  const page = await readFile(PAGE, 'utf8');
  await writeFile(join(folder, 'columns.json'), /```json\n([^]*?)```/.exec(page)?.[1] ?? '');
});

afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true });
});

afterEach(stopServices);

/** The lines of a section's shell blocks, in order. */
async function linesOf(heading: string): Promise<readonly string[]> {
  const page = await readFile(PAGE, 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${PAGE} has no section '${heading}'`);
  return [...section.matchAll(/```bash\n([^]*?)```/g)].flatMap(([, block]) => (block ?? '').trim().split('\n'));
}

/** What happens besides, at the lines that no shell of a test can run. */
interface Around {
  /** Where the page says VERSION, and KMS_KEY. */
  readonly version?: string;
  readonly kmsKey?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** At a line that begins so, before the next one. */
  readonly at?: Readonly<Record<string, () => Promise<void>>>;
}

/** The file of this name in the test's folder, if it has one. */
function ownFile(word: string): string {
  return ['columns.json', 'ring.age', 'age-key.txt', 'row.txt'].includes(word) ? join(folder, word) : word;
}

/** Lines with programs of others: a test does what they would do. */
const OF_OTHERS = /^(sam build && sam deploy|aws secretsmanager|age-keygen|psql) /;

/** What was printed, by its line. */
type Printed = ReadonlyMap<string, string>;

/** Follows a section to the letter: the first line that does not do as the page says fails the test. */
async function follow(
  heading: string,
  ring: TestRing,
  { version = '', kmsKey = '', environment = {}, at = {} }: Around = {},
) {
  const variables = new Map(Object.entries({ ...environment, DATABASE_URL: postgres.url }));
  const printed = new Map<string, string>();
  const unused = new Set(Object.keys(at));
  for (const line of await linesOf(heading)) {
    if (/^# .*24 hours/.test(line)) await ring.service.advance(25 * HOUR);
    const [begin, happens] = Object.entries(at).find(([start]) => line.startsWith(start)) ?? [];
    if (begin !== undefined) unused.delete(begin);
    await happens?.();
    if (line.startsWith('#') || (OF_OTHERS.test(line) && happens !== undefined)) continue;
    const [command = '', comment = ''] = line.split(/ {3}# /);
    if (setVariables(command, variables)) continue;
    const [typed = '', input] = command.split(' < ');
    const words = typed
      .replace('VERSION', version)
      .replace('RECIPIENT', recipient)
      .replace('KMS_KEY', kmsKey)
      .split(' ')
      .map(ownFile);
    expect(words[0]).toBe('pazpaz-keys');
    const { exitCode, stderr, stdout } = await pazpazKeys(ring, words.slice(1), {
      environment: Object.fromEntries(variables),
      ...(input === undefined ? {} : { stdin: await readFile(ownFile(input), 'utf8') }),
    });
    await ring.service.idle();
    const wanted = comment.startsWith('finds') ? 1 : 0;
    expect({ line, exitCode, said: exitCode === wanted ? '' : stderr + stdout }).toEqual({
      line,
      exitCode: wanted,
      said: '',
    });
    printed.set(line, stdout);
  }
  expect([...unused]).toEqual([]);
  return printed as Printed;
}

/** The database, and a secret's usual name, are those of the test. */
const OWN = ['DATABASE_URL', 'AWS_REGION'];

/** Whether a line only sets or removes variables. The one that makes the command has a test of its own. */
function setVariables(line: string, variables: Map<string, string>): boolean {
  const [verb = '', ...words] = line.split(' ');
  if (verb === 'unset') for (const name of words) variables.delete(name);
  if (verb === 'export') {
    for (const [name = '', value = ''] of words.map((word) => word.split('='))) {
      if (!OWN.includes(name)) variables.set(name, value);
    }
  }
  return ['unset', 'export', 'mkdir'].includes(verb);
}

async function failedRotation(ring: TestRing): Promise<void> {
  await ring.begin();
  await ring.step('createSecret');
}

async function expectAllReadable(
  ring: TestRing,
  rows: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const found = await postgres.client.query<{ id: number; notes: Buffer }>(
    'SELECT id, notes FROM patients ORDER BY id',
  );
  expect(found.rows).toHaveLength(rows);
  for (const { id, notes } of found.rows) {
    const args = ['decrypt', '--context', `patients:${id}:notes`];
    const stdin = notes.toString('base64');
    expect(await pazpazKeys(ring, args, { stdin, environment })).toMatchObject({ stdout: `${TEXT}\n` });
  }
}

function ready(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  return rotating(ringWith(...versions));
}

async function rotating(made: Promise<TestRing>): Promise<TestRing> {
  const ring = await made;
  await ring.enableRotation();
  return ring;
}

describe(`${PAGE}, followed line by line`, () => {
  test('Before you begin', async () => {
    await follow('Before you begin', await ready(previous(1), current(2)));
  });

  test('Before you begin: the first line makes a command that other programs can start in every folder', async () => {
    const [link = ''] = await linesOf('Before you begin');
    const program = `${link}\ncd /\ntimeout 60 pazpaz-keys --version`;
    const PATH = `${join(folder, '.local/bin')}:${process.env['PATH'] ?? ''}`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], {
      encoding: 'utf8',
      env: { HOME: folder, PATH },
    });
    expect({ stdout, stderr }).toEqual({ stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string, stderr: '' });
  });

  test('The yearly rotation', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable(postgres, [row(1), row(2), row(2, 0), row(1, 'legacy')]);
    await follow('The yearly rotation', ring, { at: { '# if it failed': () => failedRotation(ring) } });
    expect(ring.labels).toMatchObject({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    await expectAllReadable(ring, 4);
  });

  test('Every day, by a job', async () => {
    const ring = await rotating(ringBefore(25 * HOUR, 1, 2, previous(3), current(4)));
    await fillTable(postgres, [row(1), row(2, 0), row(3), row(4), row(1, 'legacy')]);
    const aDayLater = async () => {
      await moveReencryptionsBack(postgres, 25);
      // A process wrote under the key that it had, which stays for another day.
      await addRow(postgres, row(2));
    };
    const printed = await follow('Every day, by a job', ring, { at: { '# 24 hours': aDayLater } });
    expect([...printed.values()][0]).toContain('4 rows re-encrypted under key 4.');
    expect([...printed.values()][1]).toContain('pazpaz-keys retire 1 --columns');
    expect(ring.labels).toMatchObject({ 1: '', 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
    await expectAllReadable(ring, 6);
  });

  test('A key is compromised', async () => {
    const ring = await ready(current(1));
    await fillTable(postgres, [row(1), row(1, 0), row(1, 'legacy')]);
    // A process that was given the key wrote until it was restarted.
    const printed = await follow('A key is compromised', ring, {
      at: { '# 24 hours after': () => addRow(postgres, row(1, 0)) },
    });
    expect(ring.labels).toEqual({ 1: '', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    // One pass over all the rows, and one over what came late.
    expect(printed.get('pazpaz-keys reencrypt --columns columns.json')).toContain(
      '1 row re-encrypted under key 3, 3 there',
    );
    await expectAllReadable(ring, 4);
  });

  test('The secret is lost', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable(postgres, [row(1), row(2)]);
    const Name = 'pazpaz/encryption-key-restored';
    const lose = async (): Promise<void> => {
      await ring.client.send(new DeleteSecretCommand({ SecretId: SECRET, ForceDeleteWithoutRecovery: true }));
      await ring.client.send(new CreateSecretCommand({ Name }));
    };
    const at = { 'age-keygen': () => Promise.resolve(), 'aws secretsmanager create-secret': lose };
    await follow('The secret is lost', ring, { at });
    await expectAllReadable(ring, 2, { SECRETS_MANAGER_KEY_NAME: Name });
  });

  test('A row does not open', async () => {
    const ring = await ready(1, previous(2), current(3));
    await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    await fillTable(postgres, [row(1), row(3)]);
    const notes = encryptField(TEXT, KeyMaterial.fromBytes(keyOf(1)), 'patients:7:notes', { number: toKeyNumber(1) });
    const psql = () => writeFile(join(folder, 'row.txt'), `\\x${notes.toString('hex')}\n`);
    const printed = await follow('A row does not open', ring, { at: { psql } });
    expect([...printed.values()].at(-1)).toContain('pazpaz-keys restore 1');
  });

  test('Roll back', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable(postgres, [row(1), row(2)]);
    await follow('Roll back', ring);
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS key-v2' });
    await expectAllReadable(ring, 2);
  });

  test('Move from an environment key', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable(postgres, [row(77, 0), row(77, 'legacy'), row(2)]);
    await follow('Move from an environment key', ring, {
      environment: { ENCRYPTION_MASTER_KEY: ENVIRONMENT_KEY },
      // In fallback until it is restarted.
      at: { '# restart every process': () => addRow(postgres, row(77, 0)) },
    });
    await expectAllReadable(ring, 4);
    const zero = await postgres.client.query('SELECT FROM patients WHERE get_byte(notes, 0) = 0');
    expect(zero.rowCount).toBe(0);
  });

  test('Move from one secret for each version', async () => {
    const ring = await ready(current());
    const names = [1, 2, 3].map((version) => `pazpaz/encryption-key-v${version}`);
    for (const [index, Name] of names.entries()) {
      const SecretString = keyOf(index + 1).toString('base64');
      if (Name !== SECRET) await ring.client.send(new CreateSecretCommand({ Name, SecretString }));
    }
    // What the deploy does: it sets function and schedule, and rotates nothing.
    const taken = { SecretId: names[2], RotationLambdaARN: LAMBDA_ARN, RotateImmediately: false };
    await ring.client.send(new RotateSecretCommand({ ...taken, RotationRules: { AutomaticallyAfterDays: 365 } }));
    await ring.service.idle();
    await fillTable(postgres, [row(1, 'legacy'), row(2, 'legacy'), row(3, 'legacy')]);
    const seen: (string | undefined)[] = [];
    const asBefore = async () => {
      for (const SecretId of names)
        seen.push((await ring.client.send(new GetSecretValueCommand({ SecretId }))).SecretString);
    };
    await follow('Move from one secret for each version', ring, { at: { 'pazpaz-keys rotate --wait': asBefore } });
    // An instance that is not moved yet finds in each secret what it found there before.
    expect(seen).toEqual([1, 2, 3].map((version) => keyOf(version).toString('base64')));
    await expectAllReadable(ring, 3, { SECRETS_MANAGER_KEY_NAME: names[2] ?? '' });
  });

  test('A database was restored from a backup', async () => {
    const ring = await ready(1, previous(2), current(3));
    await fillTable(postgres, [row(3)]);
    await ring.service.advance(25 * HOUR);
    await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    await fillTable(postgres, [row(1), row(2), row(3)]);
    await follow('A database was restored from a backup', ring);
    expect(ring.labels).toMatchObject({ 1: '' });
    await expectAllReadable(ring, 3);
  });

  test('The ring is full', async () => {
    const ring = await ready(...Array.from({ length: 15 }, (_, index) => index + 1), previous(16), current(17));
    await fillTable(postgres, [row(1), row(9), row(17)]);
    await follow('The ring is full', ring);
    expect(ring.labels).toMatchObject({ 1: '', 2: '', 3: '', 4: 'key-v4' });
    await expectAllReadable(ring, 3);
  });

  test('Move to another KMS key', async () => {
    const [OLD, NEW] = ['old', 'new'].map((name) => `arn:aws:kms:us-east-1:123456789012:key/${name}`);
    const ring = await ready(current(1));
    const moveTo = async (KmsKeyId = '') => {
      await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId }));
      await ring.service.idle();
    };
    await moveTo(OLD);
    for (let rotation = 1; rotation <= 2; rotation += 1) await ring.rotate();
    await fillTable(postgres, [row(1)]);
    await follow('Move to another KMS key', ring, {
      kmsKey: NEW ?? '',
      at: { 'sam build && sam deploy': () => moveTo(NEW) },
    });
    const { stdout } = await pazpazKeys(ring, ['status', '--json']);
    const status = JSON.parse(stdout) as { readonly result: RingReport };
    expect(status.result.versions.slice(0, 3).map(({ number, kmsKeyIds }) => [number, kmsKeyIds])).toEqual(
      [1, 2, 3].map((number) => [number, [NEW]]),
    );
    await expectAllReadable(ring, 1);
  });

  test.each([
    ['a retirement', (ring: TestRing) => pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1'])],
    ['a restore', (ring: TestRing) => pazpazKeys(ring, ['restore', '1'])],
  ])('A retirement was interrupted, or forced: what %s left', async (which, command) => {
    const ring = await ready(1, previous(2), current(3));
    if (which === 'a restore') await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    // The one's label does not go, the other's record does not.
    ring.service.faults.set({
      operation: which === 'a restore' ? 'UntagResource' : 'UpdateSecretVersionStage',
      kind: 'drop',
    });
    expect(await command(ring)).toMatchObject({ exitCode: 3 });
    ring.service.faults.clear();
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
    await fillTable(postgres, [row(2), row(3)]);
    await ring.service.advance(25 * HOUR);
    await follow('A retirement was interrupted, or forced', ring);
    expect(ring.labels).toMatchObject({ 1: '' });
    await expectAllReadable(ring, 2);
  });

  test('A version has lost its labels', async () => {
    const ring = await ready(current(1));
    await ring.put(keyOf(21).toString('base64'), undefined, ['mine']);
    await fillTable(postgres, [row(1)]);
    await ring.rotate();
    await ring.detach('mine');
    await follow('A version has lost its labels', ring, { version: ring.idOf(2) });
    await expectAllReadable(ring, 1);
  });
});

test('every command of the page is one that a test above has run', async () => {
  const page = await readFile(PAGE, 'utf8');
  const followed = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading ?? '');
  const withCommands: string[] = [];
  for (const heading of followed) if ((await linesOf(heading)).some((line) => line !== '')) withCommands.push(heading);
  expect(withCommands).toEqual([
    'Before you begin',
    'The yearly rotation',
    'Every day, by a job',
    'A row does not open',
    'A key is compromised',
    'Roll back',
    'Move from an environment key',
    'Move from one secret for each version',
    'A database was restored from a backup',
    'The secret is lost',
    'The ring is full',
    'Move to another KMS key',
    'A retirement was interrupted, or forced',
    'A version has lost its labels',
  ]);
});
