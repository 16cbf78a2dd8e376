import { Connection, type DatabaseAddress } from './database.ts';

/** Which database answers, and who it takes us for. Nothing here is secret. */
export interface DatabaseFacts {
  /** The name, the number, or the folder of a Unix socket that was connected to. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly serverVersion: string;
  /** Of the cluster of databases, which its replicas and restored copies share; absent if the user may not see it. */
  readonly systemIdentifier?: string;
}

const WHICH = `SELECT current_database(), session_user, current_setting('server_version'),
  to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

export async function databaseFacts(
  address: DatabaseAddress,
): Promise<{ readonly facts: DatabaseFacts; readonly clock: string }> {
  const session = await Connection.open(address);
  try {
    const [[database, user, serverVersion, clock] = []] = await session.rows(WHICH);
    // A managed service may keep it from its users.
    const [[systemIdentifier] = []] = await session
      .rows('SELECT system_identifier FROM pg_control_system()')
      .catch(() => []);
    const facts = {
      ...session.server,
      database: database ?? '',
      user: user ?? '',
      serverVersion: serverVersion ?? '',
      ...(systemIdentifier == null ? {} : { systemIdentifier }),
    };
    return { facts, clock: clock ?? '' };
  } finally {
    await session.close();
  }
}
