import { Connection } from '../../../src/postgres/connection/database.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { startPooler } from '../support/pooler.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

it('a pooler between here and the server is recognised and refused, and its connection is closed', async () => {
  const pooler = await startPooler(postgres.port);
  try {
    const url = postgres.url.replace(`:${postgres.port}`, `:${pooler.port}`);
    const error = await rejectionOf(Connection.open({ url }));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toContain(`A connection pooler answers at 127.0.0.1:${pooler.port}`);
    const sessions = "SELECT FROM pg_stat_activity WHERE application_name = 'pazpaz-keys'";
    await until(async () => (await postgres.client.query(sessions)).rows.length === 0);
  } finally {
    pooler.stop();
  }
});

it('the server itself is taken', async () => {
  await (await Connection.open(postgres)).close();
});
