import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { fillPatients, patientRow, PATIENTS } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/* A crash of the server undoes commits that did not wait for its disk: no key is retired because of one. */

jest.setTimeout(60_000);

let postgres: Postgres;
let ring: TestRing;
let writer: pg.Client;
beforeAll(async () => {
  giveCredentials();
  // Within a test, nothing but a commit that waits has the log flushed.
  postgres = await startPostgres({ settings: ['wal_writer_delay=10s'] });
  writer = new pg.Client({ connectionString: postgres.url });
  await writer.connect();
  await writer.query('SET synchronous_commit = off; CREATE ROLE clerk LOGIN');
});
beforeEach(async () => {
  ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  await fillPatients(postgres, [patientRow('a', 1, 1), patientRow('b', 3, 2)]);
  await writer.query('GRANT SELECT ON patients TO clerk');
});
afterEach(stopServices);
afterAll(async () => {
  await writer.end();
  await postgres.stop();
});

function retire() {
  const url = postgres.url.replace('postgres@', 'clerk@');
  return pazpazKeys(ring, ['retire', '1', '--yes', '--skipped-is-fine', ...PATIENTS], {
    environment: { DATABASE_URL: url },
  });
}

/** Brings the last row to the current key, in a commit that does not wait. Returns its place in the log. */
async function bringRow(): Promise<string> {
  await writer.query('CHECKPOINT');
  await writer.query('UPDATE patients SET notes = $1 WHERE id = 1', [patientRow('a', 3, 1)]);
  const { rows } = await writer.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
  return rows[0]?.lsn ?? '';
}

async function isFlushed(lsn: string): Promise<boolean> {
  const { rows } = await writer.query<{ is: boolean }>('SELECT pg_current_wal_flush_lsn() >= $1 AS is', [lsn]);
  return rows[0]?.is === true;
}

test('retire has the log flushed up to what it counted, and says that the server does not wait for its disk', async () => {
  const lsn = await bringRow();
  expect(await isFlushed(lsn)).toBe(false);
  const { exitCode, stdout } = await retire();
  expect(exitCode).toBe(0);
  expect(await isFlushed(lsn)).toBe(true);
  expect(stdout).toContain('fsync = off');
});

test('as a role that may not have it flushed, retire waits until it is', async () => {
  await writer.query('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog FROM clerk');
  await writer
    .query('REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text, boolean) FROM PUBLIC')
    .catch(() => writer.query('REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC'));
  const lsn = await bringRow();
  const asked = retire();
  const first = await Promise.race([asked.then(() => 'retired'), sleep(4000).then(() => 'waits')]);
  expect([first, await isFlushed(lsn)]).toEqual(['waits', false]);
  await postgres.client.query('SET synchronous_commit = on; CREATE TABLE flushed ()');
  expect(await asked).toMatchObject({ exitCode: 0 });
  expect(await isFlushed(lsn)).toBe(true);
});

test.each([
  ['off', 'on'],
  ['local', 'on'],
  ['remote_apply', 'remote_apply'],
])('commits wait for the disk where the role is set to %s', async (setting, effective) => {
  await writer.query(`ALTER ROLE clerk SET synchronous_commit = '${setting}'`);
  const session = await Connection.open({ url: postgres.url.replace('postgres@', 'clerk@') });
  expect(await session.rows("SELECT pg_catalog.current_setting('synchronous_commit')")).toEqual([[effective]]);
  await session.close();
});
