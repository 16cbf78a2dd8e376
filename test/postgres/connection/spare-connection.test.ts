import { Connection, withSpare } from '../../../src/postgres/connection/database.ts';
import { SpareConnection } from '../../../src/postgres/connection/spare-connection.ts';
import { until } from '../../support/until.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

async function open(): Promise<number> {
  const { rows } = await postgres.client.query("SELECT FROM pg_stat_activity WHERE application_name = 'pazpaz-keys'");
  return rows.length;
}

const backend = async (session: Connection) => (await session.rows('SELECT pg_backend_pid()'))[0]?.[0];

it('the next work has the connection of the one before, and the last one closes it', async () => {
  await withSpare(postgres, async (database) => {
    const first = await Connection.during(database, backend);
    expect(await Connection.during(database, backend)).toBe(first);
  });
  await until(async () => (await open()) === 0);
});

it('two works at once have two connections, of which one is kept', async () => {
  await withSpare(postgres, async (database) => {
    const both = await Connection.during(database, async (one) => [
      await backend(one),
      await Connection.during(database, backend),
    ]);
    expect(new Set(both).size).toBe(2);
    await until(async () => (await open()) === 1);
  });
});

it('a connection whose work failed is not used again', async () => {
  await withSpare(postgres, async (database) => {
    let failed: string | null | undefined;
    const work = Connection.during(database, async (session) => {
      failed = await backend(session);
      await session.rows('SELECT 1/0');
    });
    await expect(work).rejects.toMatchObject({ code: 'DATABASE_REFUSED' });
    expect(await Connection.during(database, backend)).not.toBe(failed);
  });
});

it('a connection that the server has ended meanwhile is not used again', async () => {
  await withSpare(postgres, async (database) => {
    const lost = await Connection.during(database, (session) => Promise.resolve(session));
    await postgres.client.query('SELECT pg_terminate_backend($1)', [await backend(lost)]);
    await until(() => Promise.resolve(!lost.isOpen));
    expect(await Connection.during(database, (session) => Promise.resolve(session))).not.toBe(lost);
  });
});

it('a connection that no work follows is closed after a while', async () => {
  await Connection.during({ ...postgres, spare: new SpareConnection(1) }, backend);
  await until(async () => (await open()) === 0);
});
