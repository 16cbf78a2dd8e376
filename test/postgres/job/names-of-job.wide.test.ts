import pg from 'pg';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** Names of tables, types and operators that their owner gives another meaning, while a superuser re-encrypts. */

let postgres: Postgres;
let clinic: Clinic;
let owner: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  await clinic.sql(`CREATE ROLE own LOGIN; GRANT CREATE ON DATABASE postgres TO own; GRANT CREATE ON SCHEMA public TO own;
    CREATE EXTENSION citext SCHEMA public; CREATE EXTENSION hstore SCHEMA public`);
  owner = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
  await owner.connect();
});
beforeEach(async () => {
  await clinic.sql('DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA IF EXISTS x CASCADE; DROP SCHEMA IF EXISTS d CASCADE');
  await owner.query('CREATE SCHEMA s; CREATE SCHEMA d');
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(async () => {
  await owner.end();
  await postgres.stop();
});

const SPEC = { table: 's.patients', column: 'notes', context: 'p' };

async function insert(keys: readonly string[]): Promise<void> {
  for (const key of keys) await owner.query('INSERT INTO s.patients VALUES ($1, $2)', [key, clinic.row('x', 1, 'p')]);
}

/** Has the owner do something right before the first batch is written, or rows are read, or wait for the transaction. */
function beforeTheWrite(
  does: string,
  statement: 'underOwnPath' | 'copyRows' = 'underOwnPath',
): { readonly done: () => Promise<unknown> } {
  let done: Promise<unknown> | undefined;
  const acted = async () => {
    done = owner.query(does);
    const isWaiting = async () => (await clinic.sql('SELECT FROM pg_locks WHERE NOT granted')).length > 0;
    await Promise.race([done, until(isWaiting)]);
  };
  if (statement === 'copyRows') {
    jest.spyOn(Connection.prototype, 'copyRows').mockImplementationOnce(async function (this: Connection, ...args) {
      await acted();
      await this.copyRows(...args);
    });
  } else {
    jest.spyOn(Connection.prototype, 'underOwnPath').mockImplementationOnce(async function (this: Connection, ...args) {
      await acted();
      return await this.underOwnPath(...args);
    });
  }
  return { done: async () => await done };
}

const isSuperuser = async () =>
  (await clinic.sql("SELECT FROM pg_roles WHERE rolname = 'own' AND rolsuper")).length > 0;

const RISE = "BEGIN EXECUTE 'ALTER ROLE own SUPERUSER'; RETURN";

test('an operator over the domain of a key is not preferred', async () => {
  await owner.query(
    `CREATE DOMAIN s.code AS public.citext; CREATE TABLE s.patients (ref s.code PRIMARY KEY, notes bytea)`,
  );
  for (const sign of ['=', '>', '<=']) {
    await owner.query(`CREATE OR REPLACE FUNCTION s.evil(s.code, public.citext) RETURNS boolean LANGUAGE plpgsql
      AS $$ ${RISE} true; END $$; CREATE OPERATOR public.${sign} (LEFTARG = s.code, RIGHTARG = public.citext, FUNCTION = s.evil)`);
  }
  await insert(['a', 'b', 'C']);
  const report = await clinic.reencrypt(SPEC, { batchRows: 1, rangeRows: 2 });
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 3 } });
  expect(await isSuperuser()).toBe(false);
});

test('a schema that takes the name of the table’s waits for the batch, and ends the job', async () => {
  await owner.query(`CREATE TABLE s.patients (id int PRIMARY KEY, notes bytea)`);
  await insert(['1', '2', '3']);
  await owner.query(`CREATE TABLE d.patients (LIKE s.patients INCLUDING ALL); INSERT INTO d.patients TABLE s.patients;
    CREATE OR REPLACE FUNCTION public.rise() RETURNS trigger LANGUAGE plpgsql AS $$ ${RISE} NULL; END $$;
    CREATE TRIGGER rise BEFORE UPDATE ON d.patients FOR EACH STATEMENT EXECUTE FUNCTION rise()`);
  const swap = beforeTheWrite('BEGIN; ALTER SCHEMA s RENAME TO x; ALTER SCHEMA d RENAME TO s; COMMIT');
  const running = clinic.reencrypt(SPEC, { batchRows: 1, rangeRows: 2, connections: 1 });
  await expect(running).rejects.toThrow(/was replaced|would fire triggers/);
  await swap.done();
  expect(await isSuperuser()).toBe(false);
});

test('a schema that takes the name of the table’s waits for the look at its rows before the first batch', async () => {
  await owner.query('CREATE TABLE s.patients (id int PRIMARY KEY, notes bytea)');
  await insert(['1', '2', '3']);
  await owner.query(`CREATE TABLE d.patients (LIKE s.patients INCLUDING ALL); INSERT INTO d.patients TABLE s.patients;
    CREATE OR REPLACE FUNCTION public.climb() RETURNS int LANGUAGE plpgsql AS $$ ${RISE} 1; END $$;
    CREATE OR REPLACE FUNCTION public.imm() RETURNS boolean IMMUTABLE LANGUAGE plpgsql
      AS $$ BEGIN PERFORM public.climb(); RETURN true; EXCEPTION WHEN insufficient_privilege THEN RETURN true; END $$;
    CREATE INDEX ON d.patients (id) WHERE public.imm()`);
  const swap = beforeTheWrite('BEGIN; ALTER SCHEMA s RENAME TO x; ALTER SCHEMA d RENAME TO s; COMMIT', 'copyRows');
  await expect(clinic.reencrypt(SPEC, { connections: 1 })).rejects.toThrow(/was replaced|public.imm|no table/);
  await swap.done();
  expect(await isSuperuser()).toBe(false);
});

test('a type that takes the name of a key’s waits for the batch, and the job continues', async () => {
  await owner.query(`CREATE TYPE s.pair AS (a int); CREATE TABLE s.patients (id s.pair PRIMARY KEY, notes bytea)`);
  await insert(['(1)', '(2)', '(3)']);
  const swap = beforeTheWrite(`BEGIN; ALTER TYPE s.pair RENAME TO pair2;
    CREATE FUNCTION s.evil(s.pair2) RETURNS boolean LANGUAGE plpgsql AS $$ ${RISE} true; END $$;
    CREATE DOMAIN s.pair AS s.pair2 CHECK (s.evil(VALUE)); COMMIT`);
  const report = await clinic.reencrypt(SPEC, { batchRows: 1, rangeRows: 2, connections: 1 });
  await swap.done();
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 3 } });
  expect(await isSuperuser()).toBe(false);
});

const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f'];
const LABELS = `CREATE TYPE s.label AS ENUM (${LETTERS.map((label) => `'${label}'`).join(', ')})`;
const RENAMED = LETTERS.map((label) => `ALTER TYPE s.label RENAME VALUE '${label}' TO '${label}2'`).join('; ');

describe('labels of an enum that get other names', () => {
  it.each([
    ['within ranges', 's.label', '', '', { rangeRows: 5 }],
    ['between ranges', 's.label', '', '', { rangeRows: 1 }],
    ['of rows that are tried again', 's.label', '', '', {}],
    ['in a composite type', 's.pair', '(', ')', { rangeRows: 5 }],
    ['in an array', 's.label[]', '{', '}', { rangeRows: 5 }],
  ])('have the rows of a job begun again: %s', async (where, type, open, close, options) => {
    const spelled = (label: string) => `${open}${label}${close}`;
    await owner.query(
      `${LABELS}; CREATE TYPE s.pair AS (label s.label); CREATE TABLE s.patients (id ${type} PRIMARY KEY, notes bytea)`,
    );
    await insert(LETTERS.map(spelled));
    await owner.query(`UPDATE s.patients SET notes = $1 WHERE id = $2::${type}`, [
      Buffer.from('by hand'),
      spelled('f'),
    ]);
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort();
    };
    const begun = { ...options, batchRows: 1, connections: 1, onBatch, signal: stop.signal };
    expect(await clinic.reencrypt(SPEC, begun)).toMatchObject({ isFinished: false, totals: { reencrypted: 1 } });
    if (where.includes('again'))
      await clinic.sql('UPDATE pazpaz_keys.range SET is_read = true, again = jsonb_build_array(reached)');
    await owner.query(RENAMED);
    const report = await clinic.reencrypt(SPEC);
    expect(report).toMatchObject({ isFinished: true, left: [{ code: 'INVALID_CIPHERTEXT' }] });
    expect((await clinic.census(SPEC)).toReencrypt).toBe(0);
    const jobs = await clinic.sql("SELECT pass, sources FROM pazpaz_keys.job WHERE table_id = 's.patients'::regclass");
    expect(jobs).toEqual([{ pass: 2, sources: { 1: expect.any(String) as unknown } }]);
  });

  it('have them begun again, also while the table is checked', async () => {
    await owner.query(`${LABELS}; CREATE TABLE s.patients (id s.label PRIMARY KEY, notes bytea)`);
    await insert(LETTERS);
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort();
    };
    await clinic.reencrypt(SPEC, { connections: 1, onBatch, signal: stop.signal });
    await owner.query("UPDATE s.patients SET notes = $1 WHERE id = 'c'", [clinic.row('x', 1, 'p')]);
    const change = Reflect.get(Connection.prototype, 'change');
    let names = RENAMED;
    jest.spyOn(Connection.prototype, 'change').mockImplementation(async function (this: Connection, text, values) {
      if (text.includes('enable_indexscan = on')) [names] = ['', await owner.query(names)];
      return await change.call(this, text, values);
    });
    expect(await clinic.reencrypt(SPEC)).toMatchObject({ isFinished: true, left: [] });
    expect(names).toBe('');
    expect((await clinic.census(SPEC)).toReencrypt).toBe(0);
  });
});

test('a key that its index compares with other operators, or in another collation, is refused by name', async () => {
  await owner.query('CREATE TABLE s.patients (tags public.hstore PRIMARY KEY, notes bytea)');
  await expect(clinic.reencrypt(SPEC)).rejects.toThrow(/tags of s\.patients is of type public\.hstore/);
  await owner.query(`DROP TABLE s.patients; CREATE TABLE s.patients (ref text NOT NULL COLLATE "C", notes bytea);
    CREATE UNIQUE INDEX ON s.patients (ref COLLATE "POSIX")`);
  await expect(clinic.reencrypt({ ...SPEC, key: ['ref'] })).rejects.toThrow(/in their own collation/);
});
