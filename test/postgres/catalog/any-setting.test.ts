import fc from 'fast-check';
import { isKeyRotationError } from '../../../src/format/error.ts';
import { census } from '../../../src/postgres/census.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** Whatever a role has set for itself (ALTER ROLE … SET), its census counts the same rows, and it finds the same columns. */

/** `RUNS=1000`: about every value of every setting; fewer in `npm run explore`, and fewest in `npm test`. */
const RUNS = Number(process.env['RUNS'] ?? (process.env['EXPLORE'] === 'deep' ? 50 : 3));
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

jest.setTimeout(120_000 + RUNS * 4000);

/** Values of settings that are neither numbers nor have a list of them. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  DateStyle: ["'German, DMY'", "'SQL, MDY'", "'Postgres, DMY'"],
  TimeZone: ["'Asia/Kathmandu'"],
  client_encoding: ["'LATIN1'", "'SJIS'", "'SQL_ASCII'"],
  search_path: ['public, pg_catalog', 'pg_temp', "''"],
};

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql(`CREATE ROLE clerk LOGIN;
    CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
    CREATE TABLE notes (id text COLLATE alike PRIMARY KEY, at timestamptz, size float8,
                        a text COLLATE alike, b jsonb, c bytea);
    CREATE TABLE unlisted (id int, x bytea);
    GRANT SELECT ON notes, unlisted TO clerk`);
  const [at, size] = ['2026-01-02 03:04:05.678+00', '0.1'];
  for (const [index, number] of [1, 1, 2, 3, 0].entries()) {
    const row = clinic.row('note', number, `n:k${index}:${at}:${size}`);
    const text = row.toString('base64');
    const values = [`k${index}`, at, size, text, JSON.stringify({ data: text }), row];
    await clinic.sql('INSERT INTO notes VALUES ($1, $2, $3, $4, $5, $6)', values);
  }
  await clinic.sql('INSERT INTO unlisted VALUES (1, $1)', [clinic.row('note', 1)]);
});
afterAll(() => postgres.stop());

async function countAndFind() {
  const url = postgres.url.replace('postgres@', 'clerk@');
  const context = 'n:{id}:{at}:{size}';
  const specs = ['a', 'b', 'c'].map((column) => ({ table: 'public.notes', column, context }));
  try {
    const counts = await census({ url }, specs, clinic.keys, { connections: 2 });
    const { columns, skipped } = await findColumns({ url }, clinic.keys, [context]);
    const found = columns.map(({ table, column, numbers }) => [table, column, [...numbers].sort()]);
    return { counts, found, skipped };
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    return error;
  }
}

interface Setting {
  readonly name: string;
  readonly values: readonly string[];
}

it('a census does not depend on the settings of its role', async () => {
  const settings = await clinic.sql<Setting>(`
    SELECT name, CASE vartype WHEN 'bool' THEN '{on,off}'::text[]
                              WHEN 'enum' THEN (SELECT array_agg(quote_literal(v)) FROM unnest(enumvals) v)
                              WHEN 'string' THEN '{}'::text[] ELSE ARRAY[min_val, max_val] END AS values
      FROM pg_settings WHERE context = 'user' AND name !~ '^transaction_(isolation|deferrable|read_only)$'`);
  const values = settings.flatMap(({ name, values: some }) =>
    [...some, ...(TEXTS[name] ?? [])].map((value) => `${name} = ${value}`),
  );
  const expected = await countAndFind();
  expect(expected).toMatchObject({ counts: [{ numbered: { 1: 2 } }, {}, {}], skipped: [] });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...values), async (setting) => {
      await clinic.sql('ALTER ROLE clerk RESET ALL');
      await clinic.sql(`ALTER ROLE clerk SET ${setting}`);
      expect(await countAndFind()).toEqual(expected);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  if (RUNS > 3) process.stdout.write(`${RUNS} of ${values.length} values: RUNS=${RUNS} SEED=${SEED}.\n`);
});
