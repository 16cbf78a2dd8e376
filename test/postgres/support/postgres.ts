import type { Postgres } from '../../../src/local/postgres/embedded-postgres.ts';

export { startPostgres, type Postgres } from '../../../src/local/postgres/embedded-postgres.ts';

/** The major version of a server: a few things are there only from one on. */
export async function majorVersion({ client }: Postgres): Promise<number> {
  const { rows } = await client.query<{ version: string }>("SELECT current_setting('server_version_num') AS version");
  return Math.floor(Number(rows[0]?.version) / 10_000);
}
