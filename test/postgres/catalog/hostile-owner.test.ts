import pg from 'pg';
import { census, type ColumnCensus } from '../../../src/postgres/census.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** What the owner of a table may do to it, and what a census must not fall for. */

let postgres: Postgres;
let clinic: Clinic;
let owner: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE ROLE own LOGIN');
  await clinic.sql('GRANT CREATE ON SCHEMA public TO own');
  owner = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await postgres.stop();
});

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };

beforeEach(async () => {
  const rows = [1, 2].map((id) => clinic.row(`note ${id}`, 1, `p:${id}`));
  await clinic.table('patients', 'bytea', rows);
  await clinic.sql('ALTER TABLE patients OWNER TO own');
});

async function waitsForLock(): Promise<boolean> {
  const found = await clinic.sql<{ waits: boolean }>('SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted) AS waits');
  return found[0]?.waits === true;
}

/** A census that waits for locks alone, and not before for the transactions that hold them. */
async function countAtOnce(): Promise<ColumnCensus | undefined> {
  return (await census(postgres, [SPEC], clinic.keys, { writersTimeout: 0 }))[0];
}

test('a migration that is under way is waited for, and its new column is counted', async () => {
  await owner.query(`BEGIN; ALTER TABLE patients ADD n2 bytea; UPDATE patients SET n2 = notes;
    ALTER TABLE patients DROP notes; ALTER TABLE patients RENAME n2 TO notes`);
  const counting = countAtOnce();
  await until(waitsForLock);
  await owner.query('COMMIT');
  expect(await counting).toMatchObject({ rows: 2, nulls: 0, numbered: { 1: 2 } });
});

test('a partition that is being replaced is counted', async () => {
  await clinic.sql('DROP TABLE patients');
  await owner.query(`CREATE TABLE patients (id int PRIMARY KEY, notes bytea) PARTITION BY LIST (id);
    CREATE TABLE b1 PARTITION OF patients FOR VALUES IN (1); CREATE TABLE b2 PARTITION OF patients FOR VALUES IN (2)`);
  for (const id of [1, 2]) {
    await owner.query('INSERT INTO patients VALUES ($1, $2)', [id, clinic.row('note', 1, `p:${id}`)]);
  }
  await owner.query(`BEGIN; ALTER TABLE patients DETACH PARTITION b1; CREATE TABLE b1n AS TABLE b1;
    ALTER TABLE b1n ALTER id SET NOT NULL, ADD PRIMARY KEY (id); DROP TABLE b1;
    ALTER TABLE patients ATTACH PARTITION b1n FOR VALUES IN (1)`);
  const counting = countAtOnce();
  await until(waitsForLock);
  await owner.query('COMMIT');
  expect(await counting).toMatchObject({ rows: 2, numbered: { 1: 2 } });
});

describe('code of the owner that a query would run with the rights of the operator is refused by name', () => {
  const EVIL = `CREATE OR REPLACE FUNCTION public.evil(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN PERFORM pg_catalog.set_config('search_path', 'public, pg_catalog', true); RETURN $1; END $$`;

  test.each([
    ['an index', 'CREATE INDEX ON patients (evil(1))'],
    ['the condition of an index', 'CREATE INDEX ON patients (id) WHERE evil(1) = 1'],
    ['a CHECK', 'ALTER TABLE patients ADD CHECK (evil(1) = 1)'],
    ['statistics', 'CREATE STATISTICS seen ON (evil(id)) FROM patients'],
  ])('in %s', async (_, statement) => {
    await owner.query(EVIL);
    await owner.query(statement);
    const error = await rejectionOf(clinic.census(SPEC));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toContain('evil(integer)');
  });

  test.each([
    ['an index', 'CREATE INDEX ON patients (evil(1))'],
    ['statistics', 'CREATE STATISTICS later ON (evil(id)) FROM patients'],
  ])('in %s that is committed while the table is read', async (_, statement) => {
    await clinic.sql('INSERT INTO patients SELECT i, $1 FROM generate_series(3, 6000) i', [clinic.row('note', 1)]);
    await owner.query(EVIL);
    await owner.query(`BEGIN; ${statement}`);
    let committed: Promise<unknown> | undefined;
    const counting = census(postgres, [{ ...SPEC, context: '' }], clinic.keys, {
      rangeBytes: 8192,
      onBatch: () => {
        committed ??= owner.query('COMMIT');
      },
    });
    const error = await rejectionOf(counting);
    await committed;
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toContain('evil(integer)');
  });

  test('in a cast of a type that the type of the key is based on twice', async () => {
    await owner.query('DROP TABLE patients');
    await owner.query(`CREATE TYPE letter AS ENUM ('a', 'b');
      CREATE FUNCTION letter_text(letter) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'a' $$;
      CREATE CAST (letter AS text) WITH FUNCTION letter_text(letter);
      CREATE DOMAIN once AS letter; CREATE DOMAIN twice AS once;
      CREATE TABLE patients (id int PRIMARY KEY, kind twice, notes bytea)`);
    const error = await rejectionOf(clinic.census({ ...SPEC, context: 'p:{kind}' }));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toContain('letter_text');
  });
});
