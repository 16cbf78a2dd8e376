import pg from 'pg';
import { census } from '../../../src/postgres/census.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { patientRow } from '../support/patients.ts';
import type { Postgres } from '../support/postgres.ts';

/** Transactions that wrote to a table before its rows are counted, and commit after. */

jest.setTimeout(60_000);

let postgres: Postgres;
let clinic: Clinic;
let application: pg.Client;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres({ settings: ['max_prepared_transactions=5'] });
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app');
  application = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'app@') });
  await application.connect();
});
beforeEach(() =>
  application.query(`DROP TABLE IF EXISTS patients;
    CREATE TABLE patients (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF patients FOR VALUES FROM (0) TO (100)`),
);
afterEach(stopServices);
afterEach(() => application.query('ROLLBACK'));
afterAll(async () => {
  await application.end();
  await postgres.stop();
});

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };

describe('a transaction that wrote before the count', () => {
  beforeEach(() => application.query('BEGIN'));

  it.each([
    ['to the table', 'INSERT INTO patients VALUES (1, $1)'],
    ['to a partition', 'INSERT INTO part VALUES (1, $1)'],
  ])('%s is waited for, and its row is counted', async (_, insert) => {
    await application.query(insert, [clinic.row('late', 1, 'p:1')]);
    let waits = '';
    const counting = census(postgres, [SPEC], clinic.keys, {
      onWait: (table, writers) => {
        waits = `${table}: ${writers}`;
      },
    });
    await until(() => Promise.resolve(waits !== ''));
    await application.query('COMMIT');
    expect(await counting).toMatchObject([{ rows: 1, numbered: { 1: 1 }, unseen: [] }]);
    expect(waits).toMatch(/^public\.patients: process \d+ \(role app, open for \d+ s\)$/);
  });

  it('is named where it stays open, and the rows are not vouched for', async () => {
    await application.query('INSERT INTO patients VALUES (1, $1)', [clinic.row('late', 1, 'p:1')]);
    const [count] = await census(postgres, [SPEC], clinic.keys, { writersTimeout: 300 });
    expect(count).toMatchObject({ rows: 0, unseen: [expect.stringContaining('(role app, open for')] });
  });

  it('by attaching a partition is waited for', async () => {
    await application.query('CREATE TABLE added (id int NOT NULL, notes bytea)');
    await application.query('INSERT INTO added VALUES (101, $1)', [clinic.row('late', 1, 'p:101')]);
    await application.query('ALTER TABLE patients ATTACH PARTITION added FOR VALUES FROM (100) TO (200)');
    let isWaiting = false;
    const counting = census(postgres, [SPEC], clinic.keys, {
      onWait: () => {
        isWaiting = true;
      },
    });
    await until(() => Promise.resolve(isWaiting));
    await application.query('COMMIT');
    expect(await counting).toMatchObject([{ rows: 1, numbered: { 1: 1 }, unseen: [] }]);
  });
});

it('a transaction that only reads, and one that writes to another table, are not waited for', async () => {
  await application.query('CREATE TABLE IF NOT EXISTS other (id int)');
  await application.query('BEGIN; SELECT FROM patients; INSERT INTO other VALUES (1)');
  expect(await census(postgres, [SPEC], clinic.keys, { writersTimeout: 0 })).toMatchObject([{ unseen: [] }]);
});

it('a key is not retired over the rows of a prepared transaction', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  await application.query('INSERT INTO patients VALUES (1, $1)', [patientRow('note', 3, 1)]);
  await application.query('BEGIN');
  await application.query('INSERT INTO patients VALUES (2, $1)', [patientRow('late', 1, 2)]);
  await application.query("PREPARE TRANSACTION 'late'");
  const before = ring.snapshot;
  const args = ['retire', '1', '--yes', '--table', 'patients', '--column', 'notes', '--context', 'patients:{id}:notes'];
  const around = { environment: { DATABASE_URL: postgres.url } };
  const ran = await pazpazKeys(ring, [...args, '--writers-timeout', '1'], around);
  expect(ran.exitCode).toBe(1);
  expect(ran.stderr).toContain('the prepared transaction "late" (role app');
  expect(ring.snapshot).toBe(before);
  await application.query("COMMIT PREPARED 'late'");
  expect((await pazpazKeys(ring, args, around)).stderr).toContain('1 row of key 1');
});

it('a key is not retired over the rows of an open transaction in a table that is not listed', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  await application.query('INSERT INTO patients VALUES (1, $1)', [patientRow('note', 3, 1)]);
  await application.query('CREATE TABLE IF NOT EXISTS kept (id int PRIMARY KEY, notes bytea)');
  await application.query('BEGIN');
  await application.query('INSERT INTO kept VALUES (2, $1)', [patientRow('late', 1, 2)]);
  const before = ring.snapshot;
  const args = ['retire', '1', '--yes', '--table', 'patients', '--column', 'notes', '--context', 'patients:{id}:notes'];
  const around = { environment: { DATABASE_URL: postgres.url } };
  const ran = await pazpazKeys(ring, [...args, '--writers-timeout', '1'], around);
  expect(ran.exitCode).toBe(1);
  expect(ran.stderr.replace(/\s+/g, ' ')).toMatch(/public\.kept \(transactions that have written to it are still open/);
  expect(ring.snapshot).toBe(before);
  await application.query('ROLLBACK; DROP TABLE kept');
});
