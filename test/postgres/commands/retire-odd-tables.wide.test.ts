import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { fillPatients, patientRow, PATIENTS } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/* Tables that cannot be looked at, whatever the reason: each is named, and the operator decides. */

let postgres: Postgres;
let ring: TestRing;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
beforeEach(async () => {
  ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  await fillPatients(postgres, [patientRow('a', 3, 1), patientRow('b', 3, 2)]);
  await sql('DROP TABLE IF EXISTS odd; DROP TYPE IF EXISTS pair, mood CASCADE');
});
afterEach(stopServices);
afterAll(() => postgres.stop());

const sql = (text: string) => postgres.client.query(text);
const keys = (...args: readonly string[]) => pazpazKeys(ring, args, { environment: { DATABASE_URL: postgres.url } });

/** A value that PostgreSQL itself cannot spell. */
const UNSPELLABLE = `CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (m mood, t text);
  CREATE TABLE odd (v pair, w text); INSERT INTO odd VALUES (ROW('a', 'x')::pair, 'x');
  DELETE FROM pg_enum WHERE enumtypid = 'mood'::regtype`;

it.each([
  ['PostgreSQL cannot spell a value', UNSPELLABLE, 'public.odd (The database refused (22P03)'],
  [
    'a column of a context is too long',
    "CREATE TABLE odd (id text, v text); INSERT INTO odd SELECT repeat('x', 5000), 'v'",
    'public.odd (a column that a context names has values in it that are too long)',
  ],
])('where %s, the table is named, and --skipped-is-fine accepts it', async (_, made, reason) => {
  await sql(made);
  const refused = await keys('retire', '1', '--yes', ...PATIENTS);
  expect(refused).toMatchObject({ exitCode: 1 });
  expect(refused.stderr.replaceAll('\n', ' ')).toContain(reason);
  expect(refused.stderr).toContain('--skipped-is-fine');
  const accepted = await keys('retire', '1', '--yes', ...PATIENTS, '--skipped-is-fine');
  expect(accepted).toMatchObject({ exitCode: 0 });
  expect(accepted.stdout).toContain('Not looked at:');
});

/** Escapes of two kinds in one another, as no application writes them. */
const ENTANGLED = `%${'5Cu0025'.repeat(80)}41`;

it('a row that opens and cannot be looked through is said to be so, and --skipped-is-fine accepts it', async () => {
  await fillPatients(postgres, [patientRow('a', 3, 1), patientRow(ENTANGLED, 3, 2)]);
  const counted = await keys('census', ...PATIENTS);
  expect(counted).toMatchObject({ exitCode: 1 });
  expect(counted.stdout).toContain('1 row that cannot be looked through');
  expect(counted.stdout).not.toContain('no key opens');
  const { stderr, exitCode } = await keys('retire', '1', '--yes', ...PATIENTS);
  expect(exitCode).toBe(1);
  expect(stderr.replaceAll(/\s+/g, ' ')).toMatch(/public\.patients\.notes \(1 row that cannot be .*--skipped-is-fine/);
  expect(stderr).not.toMatch(/no key opens|delete|restore/);
  const accepted = await keys('retire', '1', '--yes', ...PATIENTS, '--skipped-is-fine');
  expect(accepted).toMatchObject({ exitCode: 0 });
  expect(accepted.stdout).toContain('public.patients.notes: 1 row that cannot be looked through');
});

it.each(['of the same value', 'of another value'])('--skipped-is-fine accepts no ciphertext %s', async (which) => {
  const base64 = patientRow('a', 1, 1).toString('base64');
  await sql('CREATE TABLE odd (id int, v text)');
  const values = which === 'of the same value' ? [`${base64} ${ENTANGLED}`] : [ENTANGLED, base64];
  for (const value of values) await postgres.client.query('INSERT INTO odd VALUES (1, $1)', [value]);
  const { stderr, exitCode } = await keys('retire', '1', '--yes', ...PATIENTS, '--skipped-is-fine');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('ROWS_STILL_NEED_KEY');
});

it('the columns before one that cannot be read are looked at', async () => {
  await sql(
    UNSPELLABLE.replace('(v pair, w text)', '(a bytea, v pair)').replace(
      "(ROW('a', 'x')::pair, 'x')",
      "(NULL, ROW('a', 'x')::pair)",
    ),
  );
  await postgres.client.query('UPDATE odd SET a = $1', [patientRow('a', 1, 1)]);
  const { stdout, stderr, exitCode } = await keys('columns', '--find');
  expect(exitCode).toBe(1);
  expect(stdout).toContain('"column":"a"');
  expect(stderr.replaceAll('\n', ' ')).toContain('public.odd was not looked at');
});

it('a huge value of another type is passed over, and its table is looked at', async () => {
  await sql("CREATE TABLE odd (v bytea[]); INSERT INTO odd SELECT ARRAY[convert_to(repeat('x', 20000000), 'UTF8')]");
  expect(await keys('retire', '1', '--yes', ...PATIENTS)).toMatchObject({ exitCode: 0 });
});
