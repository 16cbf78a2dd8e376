import { census } from '../../../src/postgres/census.ts';
import { headerCensus } from '../../../src/postgres/header-census.ts';
import { columnOf } from '../support/column-of.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes' };

function patients(count: number, type = 'bytea'): Promise<void> {
  return clinic.table(
    'patients',
    type,
    Array.from({ length: count }, (_, id) => clinic.row(`${id}`, 1)),
  );
}

describe('whatever a role or a database is set to', () => {
  const settings = {
    statement_timeout: '30ms',
    lock_timeout: '1ms',
    transaction_timeout: '50ms',
    idle_in_transaction_session_timeout: '1ms',
    idle_session_timeout: '300ms',
    default_transaction_isolation: 'serializable',
    enable_indexscan: 'off',
    TimeZone: 'Asia/Kathmandu',
    DateStyle: 'German',
    bytea_output: 'escape',
    standard_conforming_strings: 'on',
  };

  beforeEach(async () => {
    const known = await clinic.sql<{ name: string }>('SELECT name FROM pg_settings');
    for (const [name, value] of Object.entries(settings).filter(([name]) => known.some((one) => one.name === name)))
      await clinic.sql(`ALTER ROLE postgres SET ${name} = '${value}'`);
  });
  afterEach(() => clinic.sql('ALTER ROLE postgres RESET ALL'));

  it('rows are re-encrypted and counted', async () => {
    await patients(20);
    await clinic.sql(`CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_sleep(0.005);
      IF current_setting('transaction_isolation') <> 'read committed' THEN RAISE 'isolation'; END IF;
      RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER slow BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION slow()');
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire' });
    expect(report.totals).toMatchObject({ reencrypted: 20, left: 0 });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 20 });
  });

  it('statements are planned by the usual costs', async () => {
    const planner = {
      cpu_operator_cost: '1.7e308',
      random_page_cost: '1e300',
      geqo_threshold: '2',
      enable_sort: 'off',
    };
    for (const [name, value] of Object.entries(planner)) await clinic.sql(`ALTER ROLE postgres SET ${name} = ${value}`);
    const session = await Connection.open(postgres);
    const names = Object.keys(planner).map((name) => `current_setting('${name}')`);
    expect(await session.rows(`SELECT ${names.join(', ')}`)).toEqual([['0.0025', '4', '12', 'on']]);
    await session.close();
  });

  it('the server ends no session that is in no transaction for a while, as the one that watches a census', async () => {
    if ((await majorVersion(postgres)) < 14) return;
    const session = await Connection.open(postgres);
    expect(await session.rows('SHOW idle_session_timeout')).toEqual([['0']]);
    await session.close();
  });
});

describe('names', () => {
  it.each(['Visits', 'public.Visits', 'VISITS'])(
    '%s, written without the quotes it needs, gets a hint',
    async (table) => {
      await clinic.sql('CREATE TABLE IF NOT EXISTS "Visits" (id int PRIMARY KEY, notes bytea)');
      const error = await rejectionOf(clinic.census({ table, column: 'notes' }));
      expect(error.message).toContain(`Did you mean 'public."Visits"'?`);
    },
  );

  it.each(['patients; DROP TABLE patients', 'a.b.c.patients', 'patients"', '', '"patients', 'patients --'])(
    'a table called %j is none, and nothing is done',
    async (table) => {
      await patients(1);
      expect((await rejectionOf(clinic.reencrypt({ ...SPEC, table }))).code).toBe('INVALID_COLUMN');
      expect((await rejectionOf(clinic.census({ ...SPEC, table }))).code).toBe('INVALID_COLUMN');
      expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 1 });
    },
  );

  it('may hold anything that SQL can quote', async () => {
    const name = `x"; DROP TABLE patients; -- ' $1 {é}`;
    const quotedName = `"${name.replaceAll('"', '""')}"`;
    const spelled = `{${name.replace(/[{}]/g, '')}}`;
    await patients(1);
    await clinic.sql(`DROP TABLE IF EXISTS ${quotedName}`);
    await clinic.sql(
      `CREATE TABLE ${quotedName} (${quotedName} bytea, ${quotedName.replace(/[{}]/g, '')} int PRIMARY KEY)`,
    );
    await clinic.sql(`INSERT INTO ${quotedName} VALUES ($1, 7)`, [clinic.row('a', 1, 'p:7')]);
    const spec = { table: quotedName, column: name, context: `p:${spelled}` };
    expect((await clinic.reencrypt(spec)).totals).toMatchObject({ reencrypted: 1, left: 0 });
    expect((await clinic.census(spec)).numbered).toEqual({ 2: 1 });
    expect((await headerCensus(postgres, [spec]))[0]?.looksLike).toEqual({ 2: 1 });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 1 });
  });

  it('a column that is named twice is refused: its two jobs would undo each other', async () => {
    await patients(1);
    const specs = [
      { ...SPEC, context: 'a' },
      { ...SPEC, table: 'public.patients', context: 'b' },
    ];
    const error = await rejectionOf(reencrypt(postgres, specs, clinic.keys));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toMatch(/twice/);
  });
});

it('a JSON null is what applications write for no value, and is left alone', async () => {
  const notes = JSON.stringify(clinic.row('a', 1).toString('base64'));
  await clinic.table('patients', 'jsonb', ['null', notes, '{}', '""']);
  const report = await clinic.reencrypt(SPEC);
  expect(report.totals).toMatchObject({ reencrypted: 1, empty: 2, left: 1 });
  expect(await clinic.census(SPEC)).toMatchObject({ empty: 2, unreadable: 1, numbered: { 2: 1 } });
  const [count] = await headerCensus(postgres, [SPEC]);
  expect(count).toMatchObject({ rows: 4, nulls: 0, looksLike: { 2: 1 } });
});

it('a row whose context names a column that is NULL is listed and left', async () => {
  await patients(2);
  await clinic.sql("ALTER TABLE patients ADD mrn text; UPDATE patients SET mrn = 'm' WHERE id = 1");
  await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 1', [clinic.row('a', 1, 'm')]);
  const report = await clinic.reencrypt({ ...SPEC, context: '', toContext: '{mrn}' }, { startOver: true });
  expect(report.left).toEqual([{ key: ['2'], code: 'CONTEXT_COLUMN_IS_NULL' }]);
});

it('a row that a trigger refuses is listed with its reason, and the others are done', async () => {
  await patients(9);
  await clinic.sql(`CREATE OR REPLACE FUNCTION archived() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.id = 4 THEN RAISE 'record 4 is archived'; END IF; RETURN new; END $$`);
  await clinic.sql('CREATE TRIGGER archived BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION archived()');
  const report = await clinic.reencrypt(SPEC, { triggers: 'fire' });
  expect(report.totals).toMatchObject({ reencrypted: 8, left: 1 });
  expect(report.left).toEqual([{ key: ['4'], code: 'DATABASE:P0001' }]);
});

it.each([
  ['a table', ''],
  ['a partitioned table', 'PARTITION BY RANGE (id)'],
])('the rows of %s are estimated once it was looked at', async (_, partitions) => {
  await clinic.sql('DROP TABLE IF EXISTS visits');
  await clinic.sql(`CREATE TABLE visits (id int PRIMARY KEY, notes bytea) ${partitions}`);
  if (partitions !== '') {
    await clinic.sql('CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (1) TO (20)');
    await clinic.sql('CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM (20) TO (100)');
  }
  await clinic.sql('INSERT INTO visits SELECT i FROM generate_series(1, 50) i');
  await clinic.sql('ANALYZE visits');
  expect((await columnOf(postgres, { table: 'visits', column: 'notes' })).estimatedRows).toBe(50);
});

describe('row security', () => {
  it.each([
    ['of a table', 'visits', ''],
    ['of a partitioned table', 'visits', 'PARTITION BY RANGE (id)'],
  ])('%s is told of, its owner included where it is forced', async (_, table, partitions) => {
    await clinic.sql(`DROP TABLE IF EXISTS ${table}`);
    await clinic.sql('DROP ROLE IF EXISTS keeper');
    await clinic.sql('CREATE ROLE keeper LOGIN');
    await clinic.sql(`CREATE TABLE ${table} (id int PRIMARY KEY, notes bytea) ${partitions}`);
    await clinic.sql(`ALTER TABLE ${table} OWNER TO keeper`);
    await clinic.sql(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
    const url = postgres.url.replace('postgres@', 'keeper@');
    const spec = { table, column: 'notes' };
    expect((await census({ url }, [spec], clinic.keys))[0]?.unseen).toEqual([]);
    await clinic.sql(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
    expect((await census({ url }, [spec], clinic.keys))[0]?.unseen).toHaveLength(1);
    expect((await rejectionOf(reencrypt({ url }, [spec], clinic.keys))).message).toMatch(/Not every row/);
    await clinic.sql(`DROP TABLE ${table}`);
    await clinic.sql('DROP ROLE keeper');
  });
});

it('a role without a further connection is told of its limit', async () => {
  await patients(2);
  await clinic.sql('CREATE ROLE alone LOGIN CONNECTION LIMIT 1; GRANT SELECT ON patients TO alone');
  const url = postgres.url.replace('postgres@', 'alone@');
  const error = await rejectionOf(census({ url }, [SPEC], clinic.keys));
  await clinic.sql('DROP OWNED BY alone; DROP ROLE alone');
  expect(error.code).toBe('CANNOT_REACH_DATABASE');
  expect(error.message).toContain('CONNECTION LIMIT');
});
