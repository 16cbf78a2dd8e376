import { CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encryptField } from '../../src/keyring/field.ts';
import { KeyMaterial } from '../../src/keyring/key-material.ts';
import { toKeyNumber } from '../../src/keyring/key-number.ts';
import { startPostgres, type Postgres } from '../data/postgres.ts';
import { stopServices } from '../local/running-service.ts';
import { HOUR } from '../local/state-machine.ts';
import { current, keyOf, previous, ringWith, type RingVersion, type TestRing } from '../rotation/ring.ts';
import { giveCredentials, pazpazKeys } from './operator.ts';

jest.setTimeout(120_000);

const PAGE = 'docs/operate.md';
const TEXT = 'Patient has diabetes';
const ENVIRONMENT_KEY = keyOf(77).toString('base64');

let postgres: Postgres;
let folder: string;
let columns: string;

beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'runbook-'));
  columns = join(folder, 'columns.json');
  const page = await readFile(PAGE, 'utf8');
  await writeFile(columns, /```json\n([^]*?)```/.exec(page)?.[1] ?? '');
});

afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true });
});

afterEach(stopServices);

/** A row of the table, encrypted with the key of a place, under a number: 0 and `legacy` as other writers do. */
interface TestRow {
  readonly place: number;
  readonly number: number | 'legacy';
}

async function fillTable(rows: readonly TestRow[]): Promise<void> {
  const { client } = postgres;
  await client.query('DROP TABLE IF EXISTS patients; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await client.query('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  for (const [index, { place, number }] of rows.entries()) {
    const id = index + 1;
    const key = KeyMaterial.fromBytes(keyOf(place));
    const sealed = encryptField(TEXT, key, number === 'legacy' ? '' : `patients:${id}:notes`, {
      number: number === 'legacy' || number === 0 ? 0 : toKeyNumber(number),
    });
    await client.query('INSERT INTO patients VALUES ($1, $2)', [id, number === 'legacy' ? olderForm(key) : sealed]);
  }
}

/** `nonce ‖ ciphertext ‖ tag` without number, as the guide's application wrote it. */
function olderForm(key: KeyMaterial): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key.keyObject, nonce, { authTagLength: 16 });
  return Buffer.concat([nonce, cipher.update(TEXT), cipher.final(), cipher.getAuthTag()]);
}

/** The lines of a section's shell blocks, in order. */
async function linesOf(heading: string): Promise<readonly string[]> {
  const page = await readFile(PAGE, 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${PAGE} has no section '${heading}'`);
  return [...section.matchAll(/```bash\n([^]*?)```/g)].flatMap(([, block]) => (block ?? '').trim().split('\n'));
}

const KNOWN_OTHERS = [/^alias /, /^export /, /^aws secretsmanager update-secret /];

/** Follows a section to the letter; `version` stands where the page says VERSION. */
async function follow(heading: string, ring: TestRing, version = ''): Promise<void> {
  for (const line of await linesOf(heading)) {
    if (/^# .*24 hours/.test(line)) await ring.service.advance(25 * HOUR);
    if (line === '# if it failed') await failedRotation(ring);
    if (line.startsWith('#') || KNOWN_OTHERS.some((known) => known.test(line))) continue;
    const [command = '', comment = ''] = line.split(/ {3}# /);
    const words = command.replace('columns.json', columns).replace('VERSION', version).split(' ');
    expect(words[0]).toBe('pazpaz-keys');
    const environment = {
      DATABASE_URL: postgres.url,
      ...(heading.includes('environment key') ? { ENCRYPTION_MASTER_KEY: ENVIRONMENT_KEY } : {}),
    };
    const { exitCode, stderr, stdout } = await pazpazKeys(ring, words.slice(1), { environment });
    await ring.service.idle();
    const wanted = comment.startsWith('finds') ? 1 : 0;
    expect({ line, exitCode, said: exitCode === wanted ? '' : stderr + stdout }).toEqual({
      line,
      exitCode: wanted,
      said: '',
    });
  }
}

async function failedRotation(ring: TestRing): Promise<void> {
  await ring.begin();
  await ring.step('createSecret');
}

async function expectAllReadable(ring: TestRing, rows: number): Promise<void> {
  const found = await postgres.client.query<{ id: number; notes: Buffer }>(
    'SELECT id, notes FROM patients ORDER BY id',
  );
  expect(found.rows).toHaveLength(rows);
  for (const { id, notes } of found.rows) {
    const args = ['decrypt', '--context', `patients:${id}:notes`];
    expect(await pazpazKeys(ring, args, { stdin: notes.toString('base64') })).toMatchObject({ stdout: `${TEXT}\n` });
  }
}

async function ready(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await ringWith(...versions);
  await ring.enableRotation();
  return ring;
}

const row = (place: number, number: number | 'legacy' = place): TestRow => ({ place, number });

describe(`${PAGE}, followed line by line`, () => {
  test('Before you begin', async () => {
    await follow('Before you begin', await ready(previous(1), current(2)));
  });

  test('The yearly rotation', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable([row(1), row(2), row(2, 0), row(1, 'legacy')]);
    await follow('The yearly rotation', ring);
    expect(ring.labels).toMatchObject({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    await expectAllReadable(ring, 4);
  });

  test('A key is compromised', async () => {
    const ring = await ready(current(1));
    await fillTable([row(1), row(1, 0), row(1, 'legacy')]);
    await follow('A key is compromised', ring);
    expect(ring.labels).toMatchObject({ 1: '' });
    await expectAllReadable(ring, 3);
  });

  test('Roll back', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable([row(1), row(2)]);
    await follow('Roll back', ring);
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS key-v2' });
    await expectAllReadable(ring, 2);
  });

  test('Move from an environment key', async () => {
    const ring = await ready(previous(1), current(2));
    await fillTable([row(77, 0), row(77, 'legacy'), row(2)]);
    await follow('Move from an environment key', ring);
    await expectAllReadable(ring, 3);
  });

  test('Move from one secret for each version', async () => {
    const ring = await ready(current());
    for (const version of [2, 3]) {
      const Name = `pazpaz/encryption-key-v${version}`;
      await ring.client.send(new CreateSecretCommand({ Name, SecretString: keyOf(version).toString('base64') }));
    }
    await fillTable([row(1, 'legacy'), row(2, 'legacy'), row(3, 'legacy')]);
    await follow('Move from one secret for each version', ring);
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'key-v2', 3: 'AWSCURRENT key-v3' });
    await expectAllReadable(ring, 3);
  });

  test('A database was restored from a backup', async () => {
    const ring = await ready(1, previous(2), current(3));
    await fillTable([row(3)]);
    await ring.service.advance(25 * HOUR);
    await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    await fillTable([row(1), row(2), row(3)]);
    await follow('A database was restored from a backup', ring);
    await expectAllReadable(ring, 3);
  });

  test('The ring is full', async () => {
    const ring = await ready(...Array.from({ length: 15 }, (_, index) => index + 1), previous(16), current(17));
    await fillTable([row(1), row(9), row(17)]);
    await follow('The ring is full', ring);
    expect(ring.labels).toMatchObject({ 1: '', 2: '', 3: '', 4: 'key-v4' });
    await expectAllReadable(ring, 3);
  });

  test('Move to another KMS key', async () => {
    const ring = await ready(current(1));
    await fillTable([row(1)]);
    await follow('Move to another KMS key', ring);
    await expectAllReadable(ring, 1);
  });

  test('A version has lost its labels', async () => {
    const ring = await ready(current(1));
    await ring.put(keyOf(21).toString('base64'), undefined, ['mine']);
    await fillTable([row(1)]);
    await ring.rotate();
    await ring.detach('mine');
    await follow('A version has lost its labels', ring, ring.idOf(2));
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
    'A key is compromised',
    'Roll back',
    'Move from an environment key',
    'Move from one secret for each version',
    'A database was restored from a backup',
    'The ring is full',
    'Move to another KMS key',
    'A version has lost its labels',
  ]);
});
