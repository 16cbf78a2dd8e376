import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { giveCredentials, pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { fillPatients, patientRow } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let folder: string;
let columns: string;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'evidence-'));
  columns = join(folder, 'columns.json');
  await writeFile(columns, JSON.stringify([{ table: 'patients', column: 'notes', context: 'patients:{id}:notes' }]));
});
afterEach(stopServices);
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true });
});

async function oldRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  return ring;
}

async function report(ring: TestRing, name: string, url = postgres.url): Promise<Ran & { readonly out: string }> {
  const out = join(folder, name);
  const environment = { DATABASE_URL: url };
  return { out, ...(await pazpazKeys(ring, ['evidence', '--columns', columns, '--out', out], { environment })) };
}

async function evidenceIn(out: string): Promise<Evidence> {
  return JSON.parse(await readFile(join(out, 'evidence.json'), 'utf8')) as Evidence;
}

test('a report counts the rows of each key, and says whether each row opens', async () => {
  await fillPatients(postgres, [patientRow('a', 3, 1), patientRow('b', 1, 2), patientRow('c', 0, 3), null]);
  const { out, exitCode } = await report(await oldRing(), 'counted');
  const { rows, verdict } = await evidenceIn(out);
  expect(rows).toMatchObject({
    isCounted: true,
    columns: [{ relation: 'public.patients', column: 'notes', rows: 4, nulls: 1, numbered: { 1: 1, 3: 1 } }],
    unlisted: [],
  });
  const { hostname, port, pathname, username, password } = new URL(postgres.url);
  expect(rows).toMatchObject({
    database: {
      ...{ host: hostname, port: Number(port), database: pathname.slice(1), user: username },
      serverVersion: expect.stringMatching(/^\d+/) as string,
      systemIdentifier: expect.stringMatching(/^\d{19}$/) as string,
      countedFrom: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    },
  });
  if (password !== '') expect(JSON.stringify(rows)).not.toContain(password);
  expect(verdict.sentence).toContain('every one of 3 rows with data opens with one of them');
  expect(verdict.notices).toContainEqual(expect.objectContaining({ code: 'rows-under-older-keys' }));
  expect(exitCode).toBe(0);
});

test('a report names no key, no plaintext and no key of a row, whatever the database holds', async () => {
  const MARKERS = ['the-plaintext-of-a-row', 'the-key-of-a-row', 'what-nobody-encrypted', 'a-broken-ciphertext'];
  const [plaintext = '', id = '', text = '', broken = ''] = MARKERS;
  const { client } = postgres;
  await client.query('DROP TABLE IF EXISTS patients, marked');
  await client.query('CREATE TABLE patients (id text PRIMARY KEY, notes bytea, other text)');
  const row = patientRow(plaintext, 3, 1);
  await client.query('INSERT INTO patients VALUES ($1, $2, $3), ($4, $5, $3), ($6, $7, $3)', [
    ...['1', row, text],
    ...[id, row],
    ...[`${id}-2`, Buffer.from(broken.repeat(4))],
  ]);
  // Not listed, and it looks encrypted: the report names its column.
  await client.query('CREATE TABLE marked AS SELECT $1::text AS note, notes AS hidden FROM patients', [text]);
  const ring = await oldRing();
  const { out, stdout, stderr, exitCode } = await report(ring, 'marked');
  const { verdict, rows } = await evidenceIn(out);
  expect(exitCode).toBe(1);
  expect(verdict.overdue.map(({ code }) => code)).toEqual(['rows-unreadable', 'unlisted-column']);
  expect(rows).toMatchObject({ columns: [{ unreadable: 2 }], unlisted: ['public.marked.hidden'] });
  const keys = [1, 2, 3].flatMap((place) => [keyOf(place).toString('base64'), keyOf(place).toString('hex')]);
  const texts = await Promise.all((await readdir(out)).map((name) => readFile(join(out, name), 'utf8')));
  for (const written of [...texts, stdout, stderr]) {
    for (const marker of [...MARKERS, ...keys, row.toString('hex'), row.toString('base64')])
      expect(written).not.toContain(marker);
  }
  await client.query('DROP TABLE marked');
});

test('a database that does not answer is told in the report, with a reason', async () => {
  const { out, exitCode } = await report(await oldRing(), 'unreachable', 'postgres://postgres@127.0.0.1:1/postgres');
  const { rows, unseen, verdict } = await evidenceIn(out);
  expect(rows).toMatchObject({
    isCounted: false,
    isAsked: true,
    why: expect.stringContaining('CANNOT_REACH_DATABASE') as string,
  });
  expect(unseen).toContainEqual(expect.objectContaining({ needs: '--columns and the database' }));
  expect(verdict.overdue).toMatchObject([{ code: 'rows-not-counted' }]);
  expect(exitCode).toBe(1);
});

test('a report names no password of the database, wherever the URL has it', async () => {
  const ring = await oldRing();
  const urls = ['postgres://app:swordfish@127.0.0.1:1/db', 'postgres://app@127.0.0.1:1/db?password=swordfish'];
  for (const [index, url] of urls.entries()) {
    const { out, stdout, stderr } = await report(ring, `password-${index}`, url);
    const texts = await Promise.all((await readdir(out)).map((name) => readFile(join(out, name), 'utf8')));
    for (const text of [...texts, stdout, stderr]) expect(text).not.toContain('swordfish');
  }
});
