import pg from 'pg';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { DatabaseFailure } from '../../../src/postgres/connection/database-error.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** Rows that are looked up by their keys, one by one: those that another transaction held, and those that a check found. */

let postgres: Postgres;
let clinic: Clinic;
let application: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  application = new pg.Client({ connectionString: postgres.url });
  await application.connect();
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterEach(() => application.query('ROLLBACK'));
afterAll(async () => {
  await application.end();
  await postgres.stop();
});

const SPEC = { table: 'visits', column: 'notes', context: 'v:{id}:{part}' };

const insert = (id: number, part: string) =>
  clinic.sql('INSERT INTO visits VALUES ($1, $2, $3)', [id, part, clinic.row('x', 1, `v:${id}:${part}`)]);

describe('a row whose key has several columns', () => {
  beforeEach(async () => {
    await clinic.sql('DROP TABLE IF EXISTS visits');
    await clinic.sql('CREATE TABLE visits (id int, part text, notes bytea, PRIMARY KEY (id, part))');
    for (const part of ['a', "b'b"]) for (const id of [1, 2]) await insert(id, part);
  });

  test('is tried again until the other transaction is over', async () => {
    await application.query("BEGIN; SELECT FROM visits WHERE id = 1 AND part = 'a' FOR UPDATE");
    let batches = 0;
    const onBatch = () => {
      batches += 1;
      if (batches === 3) void application.query('COMMIT');
    };
    const report = await clinic.reencrypt(SPEC, { connections: 1, onBatch });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 4, left: 0 } });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 4 });
  });

  test('is brought where only the final check has found it', async () => {
    let late: Promise<unknown> | undefined;
    const report = await clinic.reencrypt(SPEC, {
      batchRows: 2,
      onBatch: () => {
        late ??= insert(0, 'late');
      },
    });
    await late;
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 5, left: 0 } });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 5 });
  });
});

const NOTES = { table: 'visits', column: 'notes' };

test('a late row is brought, however many rows of a job no key opens', async () => {
  await clinic.sql('DROP TABLE IF EXISTS visits; CREATE TABLE visits (id int PRIMARY KEY, notes bytea)');
  await clinic.sql(
    "INSERT INTO visits SELECT n, 'long enough to be a ciphertext, and none' FROM generate_series(1, 10100) n",
  );
  let late: Promise<unknown> | undefined;
  const report = await clinic.reencrypt(NOTES, {
    connections: 1,
    onBatch: () => {
      late ??= clinic.sql('INSERT INTO visits VALUES (0, $1)', [clinic.row('x', 1)]);
    },
  });
  await late;
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 1, left: 10_100 } });
});

test('rows that wait are read once each, in batches of any size', async () => {
  await clinic.table('visits', 'bytea', [clinic.row('x', 1)]);
  let late: Promise<unknown> | undefined;
  const report = await clinic.reencrypt(NOTES, {
    connections: 1,
    batchRows: 15,
    onBatch: () => {
      late ??= clinic.sql('INSERT INTO visits SELECT -n, $1 FROM generate_series(1, 40) n', [clinic.row('x', 1)]);
    },
  });
  await late;
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 41, alreadyCurrent: 0, left: 0 } });
});

test('a row that is moved to another partition again and again does not end the job', async () => {
  await clinic.table(
    'visits',
    'bytea',
    Array.from({ length: 20 }, (_, index) => clinic.row('x', 1, `${index + 1}`)),
  );
  let moves = 0;
  const moved = new DatabaseFailure('DATABASE_REFUSED', 'tuple to be locked was already moved', '40001');
  jest.spyOn(Connection.prototype, 'underOwnPath').mockImplementation(async function (this: Connection, work) {
    moves += 1;
    if (moves <= 10) throw moved;
    return await work();
  });
  const report = await clinic.reencrypt({ ...NOTES, context: '{id}' }, { connections: 1 });
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 20, left: 0 } });
});

test.each([
  ['bytea', 'pg_catalog.convert_to(lower(pg_catalog.encode(new.notes, $$base64$$)), $$UTF8$$)'],
  ['text', 'lower(new.notes)'],
  ['jsonb', 'pg_catalog.jsonb_set(new.notes, ARRAY[$$data$$], $$"other"$$)'],
])(
  'a trigger that changes the new value of a %s column ends the job, and every row stays',
  async (type, expression) => {
    const base64 = clinic.row('x', 1).toString('base64');
    await clinic.table('visits', type, [{ bytea: clinic.row('x', 1), text: base64 }[type] ?? `{"data": "${base64}"}`]);
    await clinic.sql(`CREATE OR REPLACE FUNCTION altered() RETURNS trigger LANGUAGE plpgsql AS
    $f$ BEGIN new.notes := ${expression}; RETURN new; END $f$`);
    await clinic.sql('CREATE TRIGGER altered BEFORE UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION altered()');
    await expect(clinic.reencrypt(NOTES, { triggers: 'fire' })).rejects.toThrow(/1 rows of visits\.notes.* altered /);
    expect((await clinic.census(NOTES)).numbered).toEqual({ 1: 1 });
  },
);

const PAIRS = `DROP TYPE IF EXISTS pair, outer_pair, span CASCADE; CREATE TYPE pair AS (a regclass, b int);
  CREATE TYPE outer_pair AS (c int, d pair[]); CREATE TYPE span AS RANGE (subtype = pair)`;

describe('a key of numbers of the catalog, whose text names other objects,', () => {
  beforeEach(async () => {
    await clinic.sql('DROP TABLE IF EXISTS visits; DROP FUNCTION IF EXISTS twice(int), twice(text)');
    await clinic.sql(
      `CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION twice(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
       CREATE TABLE visits (code regproc, place regclass, notes bytea, PRIMARY KEY (code, place))`,
    );
    // A name of two functions, no function, no table, and a table that was dropped.
    for (const [code, place] of [
      ['twice(int)', 0],
      ['twice(text)', 4711],
      ['now()', 4711],
    ]) {
      await clinic.sql('INSERT INTO visits VALUES ($1::regprocedure::oid, $2, $3)', [code, place, clinic.row('x', 1)]);
    }
    await clinic.sql("INSERT INTO visits VALUES (0, 'visits', $1)", [clinic.row('x', 1).fill(0, 20)]);
  });

  test('is compared and listed as these numbers', async () => {
    const [table] = await clinic.sql<{ id: string }>("SELECT 'visits'::regclass::oid::text AS id");
    const report = await clinic.reencrypt(NOTES, { batchRows: 1, rangeRows: 2 });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 3, left: 1 } });
    expect(report.left).toEqual([{ key: ['0', table?.id], code: 'TAMPERED_OR_WRONG_CONTEXT' }]);
  });

  test('is refused where a context names it', async () => {
    const refused = clinic.census({ ...NOTES, context: 'v:{place}' });
    await expect(refused).rejects.toThrow(/names \{place\}, a key column of visits whose text depends on search_path/);
  });

  test('leaves a context that names it once there is a unique index of other columns, which the message asks for', async () => {
    await clinic.sql(
      "DELETE FROM visits; ALTER TABLE visits ADD id int NOT NULL DEFAULT 1; INSERT INTO visits VALUES (0, 'visits')",
    );
    await clinic.sql('UPDATE visits SET notes = $1', [clinic.row('x', 1, 'v:public.visits')]);
    const moved = { ...NOTES, context: 'v:{place}', toContext: 'v:{id}' };
    await expect(clinic.reencrypt(moved)).rejects.toThrow(/unique index of other columns \(--key\), and make it first/);
    await clinic.sql('CREATE UNIQUE INDEX ON visits (id)');
    const report = await clinic.reencrypt({ ...moved, key: ['id'] });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 1, left: 0 } });
  });

  test.each(['regclass', 'regtype[]', 'pair', 'pair[]', 'outer_pair', 'span'])(
    'is refused in a context where it is no key, too, which rows may leave: %s',
    async (type) => {
      await clinic.sql(`DROP TABLE visits; ${PAIRS}; CREATE DOMAIN kind AS ${type};
      CREATE TABLE visits (id int PRIMARY KEY, kind kind, notes bytea)`);
      await clinic.sql('INSERT INTO visits VALUES (1, NULL, NULL)');
      const refused = clinic.reencrypt({ ...NOTES, context: 'v:{kind}' });
      await expect(refused).rejects.toThrow(
        /names \{kind\}, a column of type public\.kind \(with reg\w+ in it\), whose text depends on search_path/,
      );
      const moved = { ...NOTES, context: 'v:{kind}', toContext: 'v:{id}' };
      expect(await clinic.reencrypt(moved)).toMatchObject({ isFinished: true });
      await clinic.sql('DROP TABLE visits; DROP DOMAIN kind');
    },
  );

  test.each(['regclass[]', 'pair', 'span'])('is refused in a key that holds more than these: %s', async (type) => {
    await clinic.sql(
      `DROP TABLE visits; ${PAIRS}; CREATE TABLE visits (kind ${type} PRIMARY KEY, id int NOT NULL UNIQUE, notes bytea)`,
    );
    await expect(clinic.reencrypt(NOTES)).rejects.toThrow(
      /key of visits\.notes names \{kind\}, a column of type .* \(with regclass in it\), .*unique index/,
    );
    expect(await clinic.reencrypt({ ...NOTES, key: ['id'] })).toMatchObject({ isFinished: true });
  });
});
