import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asDescribed } from '../../cli/support/described.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/* What is listed is a member of a column: other members of its values need their keys, too. */

let postgres: Postgres;
let ring: TestRing;
let folder: string;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-members-'));
});
beforeEach(async () => {
  ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
});
afterEach(stopServices);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

function seal(number: number, context: string): string {
  return encryptField('text', keyOf(number), context, { number: toKeyNumber(number) }).toString('base64');
}

type Doc = (id: number) => unknown;

async function fill(type: string, doc: Doc, rows = 20): Promise<void> {
  await postgres.client.query(`DROP TABLE IF EXISTS docs; CREATE TABLE docs (id int PRIMARY KEY, doc ${type})`);
  for (let id = 1; id <= rows; id += 1) {
    await postgres.client.query('INSERT INTO docs VALUES ($1, $2)', [id, JSON.stringify(doc(id))]);
  }
}

const LISTED = ['--table', 'docs', '--column', 'doc', '--context', 'docs:{id}:data'];

function keys(...args: readonly string[]) {
  return pazpazKeys(ring, args, { environment: { DATABASE_URL: postgres.url } });
}

const data: (id: number) => string = (id) => seal(3, `docs:${id}:data`);
const ssn: (id: number) => string = (id) => seal(1, `docs:${id}:ssn`);

describe.each<readonly [string, string, Doc, string]>([
  ['another member', 'jsonb', (id) => ({ data: data(id), ssn: ssn(id) }), 'public.docs.doc->ssn'],
  [
    'a member of a member',
    'jsonb',
    (id) => ({ data: data(id), of: { ssn: ssn(id) } }),
    'public.docs.doc (inside its values)',
  ],
  ['JSON in a string', 'jsonb', (id) => JSON.stringify({ data: data(id), ssn: ssn(id) }), 'public.docs.doc->ssn'],
  [
    'JSON in a text',
    'text',
    (id) => ({ version: 'v3', algorithm: 'AES-256-GCM', ciphertext: seal(3, '').slice(4), ssn: ssn(id) }),
    'public.docs.doc (inside its values)',
  ],
])('ciphertexts in an unknown context beside the listed member: %s', (_, type, doc, name) => {
  beforeEach(() => fill(type, doc));

  it('are named by doctor, and neither census nor retire passes over them', async () => {
    const { stdout } = await keys('doctor', ...LISTED);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(name);
    const before = ring.snapshot;
    const retired = await keys('retire', '1', '--yes', ...LISTED);
    expect(retired.exitCode).toBe(1);
    expect(ring.snapshot).toBe(before);
    if (type !== 'text') expect(retired.stderr.replaceAll(/\s+/g, ' ')).toContain(name);
    const counted = await keys('census', ...LISTED);
    expect(counted.stdout).toContain(`Not counted, though it looks encrypted: ${name}`);
    expect(counted.stdout).not.toContain('No older data');
  });
});

it('a census notices one value beside the listed member that a key opens', async () => {
  await fill('jsonb', (id) => ({ data: data(id), note: id === 7 ? seal(1, '') : 'a plain note of the application' }));
  const { stdout } = await keys('census', ...LISTED);
  expect(stdout).toContain('Not counted, though it looks encrypted: public.docs.doc->note');
});

function list(...columns: readonly object[]): string {
  const file = join(folder, 'columns.json');
  writeFileSync(file, JSON.stringify(columns.map((column) => ({ table: 'docs', ...column }))));
  return file;
}

const SSN = { column: 'doc', member: 'ssn', context: 'docs:{id}:ssn' };

it('a third member is named once, although it is beside both that are listed', async () => {
  await fill('jsonb', (id) => ({ data: data(id), ssn: seal(3, `docs:${id}:ssn`), note: seal(3, '') }));
  const columns = list({ column: 'doc', context: 'docs:{id}:data' }, SSN);
  const refused = await keys('retire', '1', '--yes', '--columns', columns);
  expect(refused.stderr.replaceAll(/\s+/g, ' ')).toContain('need the key: public.docs.doc->note. Add');
  const { stdout } = await keys('retire', '1', '--yes', '--json', '--unlisted-is-fine', '--columns', columns);
  expect(asDescribed('retire', stdout)).toMatchObject({ result: { unlisted: ['public.docs.doc->note'] } });
});

it('a member that opens in the context of another listed column keeps its key, whatever is accepted', async () => {
  await fill('jsonb', (id) => ({ data: data(id), note: seal(1, `docs:${id}:other`) }));
  await postgres.client.query('ALTER TABLE docs ADD COLUMN other bytea');
  const columns = list({ column: 'doc', context: 'docs:{id}:data' }, { column: 'other', context: 'docs:{id}:other' });
  const refused = await keys('retire', '1', '--yes', '--unlisted-is-fine', '--columns', columns);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('ROWS_STILL_NEED_KEY') as string });
});

it('both members can be listed, and what is listed is not named again', async () => {
  await fill('jsonb', (id) => ({
    data: data(id),
    ssn: seal(3, `docs:${id}:ssn`),
    note: 'a plain note of the application',
  }));
  const columns = list({ column: 'doc', context: 'docs:{id}:data' }, SSN);
  const { stdout, exitCode } = await keys('retire', '1', '--yes', '--columns', columns);
  expect(exitCode).toBe(0);
  expect(stdout).not.toContain('looks encrypted');
  expect(await keys('reencrypt', '--columns', columns)).toMatchObject({ exitCode: 0 });
});
