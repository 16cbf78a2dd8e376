import pg from 'pg';
import { whyProceduresAreHidden } from '../../../src/postgres/catalog/older-writers.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { patientRow } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/** A transaction that began before `retire` keeps rows of the key where the catalog shows no place for them. */

jest.setTimeout(60_000);

const hex = (number: number, id: number) => `'\\x${patientRow('note', number, id).toString('hex')}'::bytea`;
const TABLE = '(id int PRIMARY KEY, notes bytea)';

let postgres: Postgres;
let application: pg.Client;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres({ settings: ['max_prepared_transactions=5'] });
  await postgres.client.query('CREATE ROLE own LOGIN; GRANT CREATE ON DATABASE postgres TO own');
  application = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
  await application.connect();
});
beforeEach(() =>
  application.query(`DROP SCHEMA IF EXISTS s, t CASCADE; CREATE SCHEMA s;
    CREATE TABLE s.patients ${TABLE}; INSERT INTO s.patients VALUES (1, ${hex(3, 1)})`),
);
afterEach(stopServices);
afterEach(() => application.query('ROLLBACK'));
afterAll(async () => {
  await application.end();
  await postgres.stop();
});

const retire = (...flags: string[]) => retireAs('postgres', ...flags);

async function retireAs(role: string, ...flags: string[]) {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  const before = ring.snapshot;
  const args = ['retire', '1', '--yes', '--table', 's.patients', '--column', 'notes', '--writers-timeout', '0'];
  const ran = await pazpazKeys(ring, [...args, '--context', 'patients:{id}:notes', ...flags], {
    environment: { DATABASE_URL: postgres.url.replace('postgres@', `${role}@`) },
  });
  return { exitCode: ran.exitCode, said: ran.stderr.replace(/\s+/g, ' '), isUnchanged: ring.snapshot === before };
}

/** What is there before, and what the transaction does. */
const PLACES = [
  ['a table that it makes', '', `CREATE TABLE s.made ${TABLE}; INSERT INTO s.made VALUES (2, ${hex(1, 2)})`],
  ['a table that it makes of a query', '', `CREATE TABLE s.made AS SELECT 2 AS id, ${hex(1, 2)} AS notes`],
  ['a schema that it makes', '', `CREATE SCHEMA t; CREATE TABLE t.made AS SELECT 2 AS id, ${hex(1, 2)} AS notes`],
  ['a materialized view', '', `CREATE MATERIALIZED VIEW s.made AS SELECT 2 AS id, ${hex(1, 2)} AS notes`],
  [
    'a table within a savepoint',
    '',
    `SAVEPOINT one; CREATE TABLE s.made ${TABLE}; INSERT INTO s.made VALUES (2, ${hex(1, 2)}); RELEASE one`,
  ],
  [
    'a column that it adds',
    'CREATE TABLE s.plain (id int)',
    `ALTER TABLE s.plain ADD notes bytea; INSERT INTO s.plain VALUES (2, ${hex(1, 2)})`,
  ],
  [
    'a materialized view that had no rows',
    `CREATE MATERIALIZED VIEW s.empty AS SELECT 2 AS id, ${hex(1, 2)} AS notes WITH NO DATA`,
    'REFRESH MATERIALIZED VIEW s.empty',
  ],
  ['a large object', '', `SELECT lo_from_bytea(0, ${hex(1, 2)})`],
] as const;

describe('in an open transaction, rows', () => {
  it.each(PLACES)('in %s stop a retirement, which names the process and says what to do', async (_, before, acts) => {
    await application.query(before);
    await application.query(`BEGIN; ${acts}`);
    expect(await retire()).toMatchObject({
      exitCode: 1,
      isUnchanged: true,
      said: expect.stringMatching(/process \d+ \(role own, open for \d+ s\).*COMMIT.*pg_terminate_backend/) as string,
    });
  });

  it('stop it no longer once they are rolled back', async () => {
    for (const [, before, acts] of PLACES) {
      await application.query(before);
      await application.query(`BEGIN; ${acts}`);
      await application.query('ROLLBACK');
    }
    expect(await retire()).toMatchObject({ exitCode: 0 });
  });
});

it.each([PLACES[0], PLACES[4], PLACES[5], PLACES[7]])(
  'in %s stop a retirement as a prepared transaction, too',
  async (_, before, acts) => {
    await application.query(before);
    await application.query(`BEGIN; ${acts}; PREPARE TRANSACTION 'kept'`);
    const ran = await retire();
    await application.query("ROLLBACK PREPARED 'kept'");
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(ran.said).toMatch(/the prepared transaction "kept" \(role own, open for \d+ s\).*ROLLBACK PREPARED/);
  },
);

describe('a transaction that sees rows as they were', () => {
  beforeEach(async () => {
    await application.query(`INSERT INTO s.patients VALUES (2, ${hex(1, 2)})`);
  });

  const BEGINS = [
    ['by its isolation', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM s.patients LIMIT 0'],
    ['through a cursor', 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM s.patients; FETCH 0 FROM c'],
    ['in the memory of its application', 'BEGIN; SELECT notes FROM s.patients'],
  ] as const;
  const replaced = () => postgres.client.query(`UPDATE s.patients SET notes = ${hex(3, 2)} WHERE id = 2`);

  it.each(BEGINS)('%s may write them again, and stops a retirement', async (_, begin) => {
    await application.query(begin);
    await replaced();
    // It may write them into the tables that were counted: no option for other tables accepts that.
    const ran = await retire('--skipped-is-fine');
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(ran.said).toMatch(/s\.patients: .*rows again as they were.* process \d+ \(role own, open for \d+ s\)/);
  });

  it('stops it no longer once it is over', async () => {
    for (const [, begin] of BEGINS) {
      await application.query(begin);
      await replaced();
      await application.query('ROLLBACK');
    }
    expect(await retire()).toMatchObject({ exitCode: 0 });
  });

  it.each([
    ['', ''],
    ['after a semicolon', ';', '0'],
    ['after a comment that fills what PostgreSQL shows of a statement', `/* ${'license '.repeat(200)} */`],
  ])('over its own commits, as a procedure does, stops it as well: %s', async (_, before, timeout = '1') => {
    await application.query('CREATE TABLE s.gate (is_open bool)');
    const loop = application.query(`${before}/* nightly */ DO $$ DECLARE r record; is_open bool; BEGIN
      FOR r IN SELECT id, notes FROM s.patients LOOP
        LOOP COMMIT; PERFORM pg_sleep(0.01); SELECT count(*) > 0 INTO is_open FROM s.gate; EXIT WHEN is_open; END LOOP;
      END LOOP; END $$`);
    await postgres.client.query(`UPDATE s.patients SET notes = ${hex(3, 2)} WHERE id = 2`);
    const ran = await retire('--skipped-is-fine', '--writers-timeout', timeout);
    await postgres.client.query('INSERT INTO s.gate VALUES (true)');
    await loop;
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(ran.said).toMatch(
      /s\.patients: running statements .*CALL, DO.* rows again as they were: process \d+ \(role own, statement runs for \d+ s\); .*pg_cancel_backend/,
    );
    expect(ran.said).not.toMatch(/open transactions|open for|COMMIT PREPARED/);
    expect(await retire()).toMatchObject({ exitCode: 0 });
  });

  it('stops a retirement also by a user who may not see what others do', async () => {
    await postgres.client.query(`DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA s TO clerk;
      GRANT SELECT ON s.patients TO clerk; UPDATE s.patients SET notes = ${hex(3, 2)} WHERE id = 2`);
    const asClerk = (...flags: string[]) => retireAs('clerk', ...flags);
    await application.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM s.patients LIMIT 0');
    expect((await asClerk('--skipped-is-fine')).said).toMatch(/rows again as they were.* process \d+ \(role own\)/);
    await application.query('ROLLBACK');
    const blind = await asClerk();
    expect(blind).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(blind.said).toMatch(
      /Sessions .* by 2 sessions of own, postgres,.*GRANT pg_read_all_stats TO clerk. .* --skipped-is-fine/,
    );
    expect(blind.said).not.toContain('track_activities');
    expect(blind.said).not.toMatch(/could not be looked at|role that may read/);
    expect(await asClerk('--skipped-is-fine')).toMatchObject({ exitCode: 0 });
    await postgres.client.query('GRANT pg_read_all_stats TO clerk');
    expect(await asClerk()).toMatchObject({ exitCode: 0 });
  });

  it('is told which sessions a right would show, and which show nothing to anyone', async () => {
    const why = () => Connection.during({ url: postgres.url.replace('postgres@', 'looker@') }, whyProceduresAreHidden);
    await postgres.client.query('CREATE ROLE looker LOGIN IN ROLE own; ALTER ROLE own SET track_activities = off');
    const untracked = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
    await untracked.connect();
    const off = /no one sees what is run by 1 session of own,.* track_activities is off: turn it on .*connect again/;
    try {
      const both = (await why())?.split('; ');
      expect(both).toMatchObject([
        expect.stringMatching(/by 1 session of postgres,.*: GRANT pg_read_all_stats TO looker$/),
        expect.stringMatching(off),
      ]);
      await postgres.client.query('GRANT pg_read_all_stats TO looker');
      expect(await why()).toMatch(off);
      expect(await why()).not.toContain('GRANT');
    } finally {
      await untracked.end();
      await postgres.client.query('ALTER ROLE own RESET track_activities; DROP ROLE looker');
    }
  });
});

it('a row that is committed is seen beside an open transaction that is accepted', async () => {
  await application.query(`CREATE TABLE s.z ${TABLE}; INSERT INTO s.z VALUES (2, ${hex(1, 2)})`);
  await application.query(`BEGIN; INSERT INTO s.z VALUES (3, ${hex(3, 3)})`);
  const ran = await retire('--skipped-is-fine');
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  expect(ran.said).toMatch(/ROWS_STILL_NEED_KEY .* s\.z\.notes/);
});

it.each([
  ['has altered', 'ALTER TABLE s.patients ADD more int', /s\.patients: process \d+ \(role own, open for \d+ s\)/],
  ['has locked', 'LOCK TABLE s.patients', /pg_locks/],
])('a transaction that %s the table is not waited for without an end', async (_, act, naming) => {
  await application.query(`BEGIN; ${act}`);
  const ran = await retire();
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  expect(ran.said).toMatch(/DATABASE_REFUSED Another transaction keeps a table locked/);
  expect(ran.said).toMatch(naming);
});
