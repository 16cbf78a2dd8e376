import { CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';
import { stopServices } from '../local/support/running-service.ts';
import { HOUR } from '../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../support/ring.ts';
import { startKms, type LocalKms } from './support/local-kms.ts';
import { giveCredentials, pazpazKeys, type Ran } from './support/operator.ts';

/* Every example of every help text, run as it stands there: anyone who pastes it must get what the help promises. */

const KEY = keyOf(9).toString('base64');
const FILES = ['columns.json', 'ring.age', 'age-key.txt', 'evidence-2026', 'evidence-2027'];
const COLUMNS = [{ table: 'patients', column: 'notes', context: 'patients:{id}:notes' }];

let postgres: Postgres;
let folder: string;
let kms: LocalKms;

beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'examples-'));
  await writeFile(join(folder, 'columns.json'), JSON.stringify(COLUMNS));
  await writeFile(join(folder, 'key.txt'), `${KEY}\n`);
  await writeFile(join(folder, 'age-key.txt'), await generateX25519Identity());
  kms = await startKms();
});
afterAll(async () => {
  await postgres.stop();
  await kms.stop();
  await rm(folder, { recursive: true });
});
afterEach(stopServices);

/** Two keys that no row needs, a third before the current one, and a retired one; and beside it what examples name. */
async function examplesRing(): Promise<TestRing> {
  const ring = await ringWith(1, 2, previous(3), current(4));
  await ring.enableRotation();
  await ring.put(keyOf(5).toString('base64'), '5f6cde2f-7a7e-4f6f-9d3c-0a7b3f0f9a11', ['mine']);
  const SecretString = keyOf(7).toString('base64');
  await ring.client.send(new CreateSecretCommand({ Name: 'pazpaz/encryption-key-v2', SecretString }));
  await ring.service.advance(25 * HOUR);
  await fillTables();
  return ring;
}

async function fillTables(): Promise<void> {
  const { client } = postgres;
  await client.query('DROP TABLE IF EXISTS patients, persons; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  const sealed = encryptField('Patient has diabetes', keyOf(4), 'patients:1:notes', { number: toKeyNumber(4) });
  for (const table of ['patients', 'persons']) {
    await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, notes bytea)`);
    await client.query(`INSERT INTO ${table} VALUES (1, $1)`, [sealed]);
  }
}

/** Words of a command line, quotes taken off, and what comes to it on standard input. */
async function parsed(ring: TestRing, line: string): Promise<{ words: readonly string[]; stdin: string }> {
  const [, printed, command = ''] = /^(?:printf %s '([^']*)' \| )?(pazpaz-keys .*)$/.exec(line) ?? [];
  const [, before = command, file] = /^(.*) < (\S+)$/.exec(command) ?? [];
  const words = [...before.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
  const stdin = file === undefined ? (printed ?? '') : await contentOf(ring, file);
  return { words: words.slice(1).map((word) => (FILES.includes(word) ? join(folder, word) : word)), stdin };
}

/** `value.txt`: a row, as an earlier encryption gave it. */
async function contentOf(ring: TestRing, file: string): Promise<string> {
  if (file !== 'value.txt') return readFile(join(folder, file), 'utf8');
  return (await pazpazKeys(ring, ['encrypt', '--context', 'patients:7:notes'], { stdin: 'Healthy' })).stdout;
}

async function paste(ring: TestRing, line: string): Promise<Ran> {
  const { words, stdin } = await parsed(ring, line);
  const environment = { DATABASE_URL: postgres.url, ENCRYPTION_MASTER_KEY: KEY };
  // The doctor is to find nothing, and this variable is not on the ring.
  const without = words[0] === 'doctor' ? { ENCRYPTION_MASTER_KEY: '' } : {};
  return pazpazKeys(ring, words, { stdin, environment: { ...environment, ...without } });
}

/** columns.json does not list it. */
const WITHOUT_UNLISTED = 'DROP TABLE persons';

/** What has to be so before an example makes sense. */
const BEFORE: Readonly<Record<string, (ring: TestRing) => Promise<unknown>>> = {
  restore: (ring) => pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']),
  'rotate --clean-up': (ring) => ring.begin(),
  maintain: () => postgres.client.query(WITHOUT_UNLISTED),
  retire: () => postgres.client.query(WITHOUT_UNLISTED),
  doctor: async (ring) => {
    await postgres.client.query(WITHOUT_UNLISTED);
    return pazpazKeys(ring, ['adopt', '--version-id', '5f6cde2f-7a7e-4f6f-9d3c-0a7b3f0f9a11']);
  },
  'evidence --columns': () => postgres.client.query(WITHOUT_UNLISTED),
  // A backup is never written over another one.
  backup: () => rm(join(folder, 'ring.age'), { force: true }),
  'restore-ring': async (ring) => {
    const file = join(folder, 'ring.age');
    await rm(file, { force: true });
    const recipient = await identityToRecipient(await readFile(join(folder, 'age-key.txt'), 'utf8'));
    await pazpazKeys(ring, ['backup', '--to', file, '--recipient', recipient, '--kms-key-id', 'alias/backup']);
    await ring.client.send(new CreateSecretCommand({ Name: 'pazpaz/encryption-key-new' }));
  },
};

test('every example of every help text works when pasted', async () => {
  const { stdout } = await pazpazKeys(await ringWith(current(1)), ['--help']);
  const names = [...stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(([, name]) => name ?? '');
  const commands = names.filter((name) => !['help', 'pazpaz-keys', 'completion'].includes(name));
  expect(commands).toHaveLength(19);
  for (const command of commands) {
    const help = (await pazpazKeys(await ringWith(current(1)), [command, '--help'])).stdout;
    const examples = /\nExamples?:\n([^]*?)\n(\n|$)/.exec(help)?.[1]?.split('\n') ?? [];
    expect(examples).not.toEqual([]);
    for (const example of examples.map((line) => line.trim())) {
      const ring = await examplesRing();
      const before = Object.keys(BEFORE).find((start) => example.includes(`pazpaz-keys ${start} `));
      await BEFORE[before ?? '']?.(ring);
      const { exitCode, stderr } = await paste(ring, example);
      expect({ example, exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ example, exitCode: 0, stderr: '' });
      await stopServices();
    }
  }
});
