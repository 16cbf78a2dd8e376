import { Connection } from '../../../src/postgres/connection/database.ts';
import { holdTable, lookUpTable, tableNamed } from '../../../src/postgres/catalog/look-up-table.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.client.query('CREATE ROLE own LOGIN; CREATE SCHEMA clinic AUTHORIZATION own');
});
afterAll(() => postgres.stop());

beforeEach(async () => {
  await postgres.client.query(`
    DROP TABLE IF EXISTS clinic.t, clinic.kept;
    CREATE TABLE clinic.t (id int PRIMARY KEY, notes bytea);
    INSERT INTO clinic.t SELECT n, 'x' FROM generate_series(1, 10) n;
    ALTER TABLE clinic.t OWNER TO own`);
});

/** Looks the table up in one snapshot, with the settings of a census, lets its owner act, then holds it. */
async function heldAfter(statements: string, url = postgres.url): Promise<void> {
  const connection = await Connection.open({ url });
  try {
    const id = await tableNamed(connection, 'clinic.t');
    const hold = async () => {
      const table = await lookUpTable(connection, 'clinic.t', id);
      await postgres.client.query(`SET ROLE own; ${statements}; RESET ROLE`);
      if (!table.isSecured) await holdTable(connection, table.id, table.name);
    };
    await connection.transaction(hold, {
      mode: 'ISOLATION LEVEL REPEATABLE READ, READ ONLY',
      settings: ['SET LOCAL row_security = on'],
    });
  } finally {
    await connection.close();
  }
}

const own = () => postgres.url.replace('postgres@', 'own@');

test('a table that no one changes meanwhile is held', async () => {
  await expect(heldAfter('SELECT 1')).resolves.toBeUndefined();
});

test('an empty table that takes the name of the real one is not counted in its place', async () => {
  const swap = 'ALTER TABLE clinic.t RENAME TO kept; CREATE TABLE clinic.t (LIKE clinic.kept INCLUDING ALL)';
  expect((await rejectionOf(heldAfter(swap))).code).toBe('DATABASE_REFUSED');
});

test('a policy that begins to hide rows between the look and the lock stops the count', async () => {
  const hide = 'ALTER TABLE clinic.t ENABLE ROW LEVEL SECURITY; ALTER TABLE clinic.t FORCE ROW LEVEL SECURITY';
  expect((await rejectionOf(heldAfter(hide, own()))).code).toBe('DATABASE_REFUSED');
});

test('rows that were rewritten after the snapshot stop the count', async () => {
  expect((await rejectionOf(heldAfter('ALTER TABLE clinic.t ALTER id TYPE bigint'))).code).toBe('DATABASE_REFUSED');
});
