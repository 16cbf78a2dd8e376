import { census } from '../../../src/postgres/census.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { headerCensus } from '../../../src/postgres/header-census.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres, type Value } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** Whatever has rows in SQL is counted whole, or refused by name. */

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

beforeEach(async () => {
  await clinic.sql('DROP SCHEMA IF EXISTS clinic CASCADE; CREATE SCHEMA clinic');
});

const spec = (table: string) => ({ table: `clinic.${table}`, column: 'notes', context: 'p:{id}' });
const note = (id: number) => clinic.row('note', 1, `p:${id}`);

async function insert(table: string, values: readonly Value[] = [note(1), note(2), note(3)]): Promise<void> {
  for (const [index, value] of values.entries()) {
    await clinic.sql(`INSERT INTO clinic.${table} VALUES ($1, $2)`, [index + 1, value]);
  }
}

describe('is counted whole', () => {
  it.each([
    ['an unlogged table', 'CREATE UNLOGGED TABLE clinic.t (id int PRIMARY KEY, notes bytea)'],
    [
      'columns whose types are domains',
      'CREATE DOMAIN clinic.n AS int CHECK (VALUE > 0); CREATE DOMAIN clinic.b AS bytea; CREATE TABLE clinic.t (id clinic.n PRIMARY KEY, notes clinic.b)',
    ],
    [
      'columns whose types are domains over domains',
      `CREATE DOMAIN clinic.n AS int; CREATE DOMAIN clinic.m AS clinic.n CHECK (VALUE > 0);
       CREATE DOMAIN clinic.b AS bytea; CREATE DOMAIN clinic.c AS clinic.b NOT NULL; CREATE DOMAIN clinic.d AS clinic.c;
       CREATE TABLE clinic.t (id clinic.m PRIMARY KEY, notes clinic.d)`,
    ],
    [
      'a table beside a generated column',
      'CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea, size int GENERATED ALWAYS AS (length(notes)) STORED)',
    ],
    [
      'a context of a generated column',
      'CREATE TABLE clinic.t (n int PRIMARY KEY, notes bytea, id int GENERATED ALWAYS AS (n) STORED)',
    ],
    [
      'an index over an expression of PostgreSQL itself',
      'CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea); CREATE INDEX ON clinic.t (length(notes)); CREATE STATISTICS clinic.s ON (length(notes)), id FROM clinic.t',
    ],
    [
      'partitions of partitions',
      `CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
       CREATE TABLE clinic.low PARTITION OF clinic.t FOR VALUES FROM (0) TO (3) PARTITION BY LIST (id);
       CREATE TABLE clinic.one PARTITION OF clinic.low FOR VALUES IN (1);
       CREATE UNLOGGED TABLE clinic.two PARTITION OF clinic.low FOR VALUES IN (2);
       CREATE TABLE clinic.others PARTITION OF clinic.t DEFAULT`,
    ],
    [
      'a partition that was attached',
      `CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
       CREATE TABLE clinic.more (notes bytea, gone int, id int NOT NULL, PRIMARY KEY (id)); ALTER TABLE clinic.more DROP gone;
       ALTER TABLE clinic.t ATTACH PARTITION clinic.more FOR VALUES FROM (0) TO (9)`,
    ],
  ])('%s', async (_, statements) => {
    await clinic.sql(statements);
    await insert('t');
    expect(await clinic.census(spec('t'))).toMatchObject({ rows: 3, numbered: { 1: 3 }, unreadable: 0 });
  });
});

describe('a column of every type that columns --find knows', () => {
  const text = (at: number) => note(at).toString('base64');
  const json = (at: number) => `{ "data" : "${text(at)}", "at": ${at} }`;

  it('is counted and re-encrypted', async () => {
    const types: readonly (readonly [string, (at: number) => Value])[] = [
      ['clinic.d', note],
      ['clinic.w', text],
      ['char(200)', text],
      ['clinic.f', text],
      ['jsonb', json],
      ['clinic.j', json],
    ];
    await clinic.sql(`CREATE DOMAIN clinic.b AS bytea; CREATE DOMAIN clinic.d AS clinic.b;
      CREATE DOMAIN clinic.v AS varchar(200); CREATE DOMAIN clinic.w AS clinic.v; CREATE DOMAIN clinic.f AS char(200);
      CREATE DOMAIN clinic.j AS jsonb`);
    for (const [at, [type, valueOf]] of types.entries()) {
      await clinic.sql(`CREATE TABLE clinic.t${at} (id int PRIMARY KEY, notes ${type})`);
      await insert(`t${at}`, [valueOf(1), valueOf(2), null]);
    }
    const specs = types.map((_, at) => spec(`t${at}`));
    const ofEach = (expected: object) => specs.map(() => expected);
    expect((await findColumns(postgres, clinic.keys)).columns).toMatchObject(
      specs.map(({ table, column }) => ({ table, column })),
    );
    expect(await census(postgres, specs, clinic.keys)).toMatchObject(
      ofEach({ rows: 3, nulls: 1, numbered: { 1: 2 }, toReencrypt: 2 }),
    );
    expect(await reencrypt(postgres, specs, clinic.keys)).toMatchObject(
      ofEach({ totals: { reencrypted: 2, left: 0 } }),
    );
    expect(await census(postgres, specs, clinic.keys)).toMatchObject(
      ofEach({ rows: 3, nulls: 1, numbered: { 2: 2 }, toReencrypt: 0 }),
    );
    expect(await headerCensus(postgres, specs)).toMatchObject(ofEach({ rows: 3, looksLike: { 2: 2 } }));
  });

  it('has its room checked, under a domain too', async () => {
    const older = `v1:${oldBox('x'.repeat(26), { key: clinic.world.keyOf(1) }).toString('base64')}`;
    await clinic.sql(`CREATE DOMAIN clinic.v AS varchar(${older.length}); CREATE DOMAIN clinic.w AS clinic.v;
      CREATE TABLE clinic.t (id int PRIMARY KEY, notes clinic.w, same char(${older.length}))`);
    await clinic.sql('INSERT INTO clinic.t VALUES (1, $1, $2)', [older, older]);
    for (const column of ['notes', 'same']) {
      const error = await rejectionOf(clinic.reencrypt({ ...spec('t'), column }));
      expect(error).toMatchObject({ code: 'COLUMN_TOO_SHORT' });
      expect(error.message).toContain(`at most ${older.length} characters`);
    }
  });

  it.each([
    ['json', 'json'],
    ['a domain over json', 'clinic.j'],
  ])('or is refused with the statement that changes its type: %s', async (_, type) => {
    await clinic.sql(`CREATE DOMAIN clinic.j AS json; CREATE TABLE clinic.t (id int PRIMARY KEY, "My Notes" ${type})`);
    await insert('t', [json(1)]);
    const mine = { ...spec('t'), column: 'My Notes' };
    expect((await findColumns(postgres, clinic.keys)).columns).toMatchObject([{ column: 'My Notes' }]);
    const error = await rejectionOf(clinic.census(mine));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    const statement = /ALTER TABLE [^]* TYPE jsonb USING .*::jsonb/.exec(error.message)?.[0] ?? '';
    await clinic.sql(statement);
    expect(await clinic.census(mine)).toMatchObject({ rows: 1, numbered: { 1: 1 } });
  });
});

describe('is refused by name', () => {
  const TABLE = 'CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea)';

  it.each([
    [
      'a view with a security barrier',
      `${TABLE}; CREATE VIEW clinic.v WITH (security_barrier) AS TABLE clinic.t`,
      'v',
      /is not a table but a view/,
    ],
    [
      'a materialized view',
      `${TABLE}; CREATE MATERIALIZED VIEW clinic.m AS TABLE clinic.t`,
      'm',
      /a materialized view/,
    ],
    [
      'a foreign table',
      'CREATE FOREIGN DATA WRAPPER w1; CREATE SERVER s1 FOREIGN DATA WRAPPER w1; CREATE FOREIGN TABLE clinic.f (id int, notes bytea) SERVER s1',
      'f',
      /a foreign table/,
    ],
    [
      'a foreign partition',
      `CREATE FOREIGN DATA WRAPPER w2; CREATE SERVER s2 FOREIGN DATA WRAPPER w2;
       CREATE TABLE clinic.p (id int, notes bytea) PARTITION BY RANGE (id);
       CREATE FOREIGN TABLE clinic.f PARTITION OF clinic.p FOR VALUES FROM (0) TO (9) SERVER s2`,
      'p',
      /partitions on another server/,
    ],
    ['a parent of inheritance', `${TABLE}; CREATE TABLE clinic.child () INHERITS (clinic.t)`, 't', /child tables/],
  ])('%s', async (_, statements, table, says) => {
    await clinic.sql(statements);
    const error = await rejectionOf(clinic.census(spec(table)));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toMatch(says);
  });

  it('a name of more bytes than PostgreSQL keeps, which means another one', async () => {
    const long = 'x'.repeat(77);
    await clinic.sql(`CREATE TABLE clinic.${long} (id int PRIMARY KEY, notes bytea);
      CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea, ${long} bytea)`);
    const kept = 'x'.repeat(63);
    expect((await rejectionOf(clinic.census(spec(long)))).message).toContain(`write clinic.${kept}.`);
    const column = { ...spec('t'), column: long };
    expect((await rejectionOf(clinic.census(column))).message).toContain('PostgreSQL keeps 63 bytes of a name');
    const context = { ...spec('t'), context: `{${long}}` };
    expect((await rejectionOf(clinic.census(context))).message).toContain('PostgreSQL keeps 63 bytes of a name');
    expect(await clinic.census({ ...spec('t'), column: kept })).toMatchObject({ rows: 0 });
  });

  it('a temporary table of another session', async () => {
    await clinic.sql('CREATE TEMPORARY TABLE passing (id int PRIMARY KEY, notes bytea)');
    const [found] = await clinic.sql<{ schema: string }>(
      'SELECT nspname AS schema FROM pg_namespace WHERE oid = pg_my_temp_schema()',
    );
    const error = await rejectionOf(clinic.census({ ...spec('t'), table: `${found?.schema ?? ''}.passing` }));
    expect(error.code).toBe('INVALID_COLUMN');
    expect(error.message).toContain('temporary table');
  });

  it('a table from which a partition is being detached', async () => {
    await clinic.sql(`CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
      CREATE TABLE clinic.low PARTITION OF clinic.t FOR VALUES FROM (0) TO (9)`);
    await insert('t');
    await clinic.sql('SET allow_system_table_mods = on');
    // What is left where DETACH PARTITION … CONCURRENTLY was cancelled while it waited.
    await clinic.sql("UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'clinic.low'::regclass");
    const error = await rejectionOf(clinic.census(spec('t')));
    expect(error.code).toBe('INVALID_COLUMN');
    expect(error.message).toContain('clinic.low is being detached');
    // A session may be at it as well.
    expect(error.message).toMatch(/While a session is at it, wait.*Otherwise finish it.*FINALIZE/);
    await clinic.sql("UPDATE pg_inherits SET inhdetachpending = false WHERE inhrelid = 'clinic.low'::regclass");
  });
});
