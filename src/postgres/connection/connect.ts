import pg from 'pg';
import { KeyRotationError } from '../../format/error.ts';
import { connectionAddress, isSocket, type ConnectionAddress, type Host } from './connection-address.ts';
import { databaseError, hasNoTls, isLostConnection, isOfTls, sqlState } from './database-error.ts';
import { negotiation, tlsAttempts, type Tls } from './tls.ts';

/** Where the database is and how to get in: a `postgres://` URL, or nothing for the `PG…` variables of the environment. */
export interface DatabaseAddress {
  readonly url?: string | undefined;
}

/** A client that is connected, and the schema that its URL names. */
export interface Connected {
  readonly client: pg.Client;
  readonly schema: string | undefined;
}

/** Values of `target_session_attrs` that a primary server fulfils. All work here needs one. */
const PRIMARY = ['any', 'read-write', 'primary'];

/** SQLSTATE of a refusal by `pg_hba.conf`. A wrong password has another. */
const INVALID_AUTHORIZATION = '28000';

/** Seconds that a server has for the whole way from the first packet to its readiness. */
const CONNECT_TIMEOUT = '10';

/** Seconds without a packet after which TCP asks whether the other machine is there at all. */
const KEEPALIVE_AFTER = 30;

/**
 * Connects to the primary among the hosts. Rejects with `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED`, or
 * `INVALID_SETTINGS` for an address or a parameter that cannot be obeyed.
 */
export async function connect({ url }: DatabaseAddress): Promise<Connected> {
  const address = connectionAddress(url, process.env);
  const wanted = address.of('target_session_attrs');
  if (wanted !== undefined && !PRIMARY.includes(wanted)) {
    throw invalid(
      `target_session_attrs must be one of ${PRIMARY.join(', ')}: a replica may lack rows, and takes no writes.`,
    );
  }
  const mustLook = address.hosts.length > 1 || (wanted ?? 'any') !== 'any';
  // Before the first connection: what is wrong with the settings of one host is not a reason to take another.
  const attempts = await Promise.all(
    address.hosts.map(async (host) => ({ host, modes: await tlsAttempts(host, address) })),
  );
  let failure: unknown = new Error('no host');
  for (const { host, modes } of attempts) {
    try {
      const client = await connectTo(host, modes, address);
      if (!mustLook || (await isPrimary(client))) return { client, schema: address.schema };
      failure = new Error(`${host.host} is a replica`);
    } catch (error) {
      failure = databaseError(error);
      if (!isLostConnection(failure)) throw failure;
    }
  }
  throw databaseError(failure);
}

async function connectTo(host: Host, modes: readonly Tls[], address: ConnectionAddress): Promise<pg.Client> {
  let failure: unknown;
  for (const tls of modes) {
    const client = new pg.Client(settingsFor(host, tls, address));
    // The query under way reports a lost connection; without a listener this event would end the process.
    client.on('error', () => undefined);
    try {
      return await client.connect();
    } catch (error) {
      await client.end().catch(() => undefined);
      failure = error;
      if (!isOverTls(error)) break;
    }
  }
  throw failure;
}

/** Every setting is said here: `pg` reads variables by itself for what is left out. */
function settingsFor({ host, port }: Host, tls: Tls, { database, of }: ConnectionAddress): pg.ClientConfig {
  const seconds = Number(of('connect_timeout') ?? CONNECT_TIMEOUT);
  if (!Number.isInteger(seconds) || seconds < 1) throw invalid('connect_timeout must be a number of seconds from 1.');
  const binding = of('channel_binding') ?? 'prefer';
  if (!['disable', 'prefer'].includes(binding)) {
    throw invalid('channel_binding must be disable or prefer: no more can be asked for here. Say sslmode=verify-full.');
  }
  const [user, password, options] = [of('user'), of('password'), of('options')];
  const sslnegotiation = tls === false ? 'postgres' : negotiation(of('sslnegotiation'));
  const settings = {
    host,
    port,
    ssl: tls,
    sslnegotiation,
    enableChannelBinding: tls !== false && binding === 'prefer',
    application_name: of('application_name') ?? of('fallback_application_name') ?? 'pazpaz-keys',
    connectionTimeoutMillis: seconds * 1000,
    keepAlive: !isSocket({ host }),
    keepAliveInitialDelayMillis: KEEPALIVE_AFTER * 1000,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(options === undefined ? {} : { options }),
  };
  return settings;
}

/** Whether an attempt failed over TLS, or because `pg_hba.conf` wants the other way. */
function isOverTls(error: unknown): boolean {
  return hasNoTls(error) || isOfTls(error) || sqlState(error) === INVALID_AUTHORIZATION;
}

/** Whether it takes writes; the connection to any other is closed. */
async function isPrimary(client: pg.Client): Promise<boolean> {
  let isFound = false;
  try {
    const { rows } = await client.query<{ replica: boolean }>('SELECT pg_catalog.pg_is_in_recovery() AS replica');
    isFound = rows[0]?.replica === false;
  } finally {
    if (!isFound) await client.end().catch(() => undefined);
  }
  return isFound;
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}
