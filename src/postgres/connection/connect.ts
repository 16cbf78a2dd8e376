import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { KeyRotationError } from '../../format/error.ts';
import { AnswerWatch } from './answer-limits.ts';
import { connectionAddress, isSocket, type ConnectionAddress, type Host } from './connection-address.ts';
import { passwordInFile, requireOneLogin, roleOf, type Credentials, type CredentialSource } from './credentials.ts';
import { DatabaseFailure, databaseError, hasNoTls, isLostConnection, isOfTls, sqlState } from './database-error.ts';
import { negotiation, tlsAttempts, type Tls } from './tls.ts';

/** Where the database is and how to get in: a `postgres://` URL, or nothing for the `PG…` variables of the environment. */
export interface ServerAddress {
  readonly url?: string | undefined;
  /** Where the password comes from; default: the URL, PGPASSWORD, or the file of passwords. */
  readonly credentials?: CredentialSource | undefined;
}

export interface Connected {
  readonly client: pg.Client;
  readonly watch: AnswerWatch;
  readonly schema: string | undefined;
}

/** Values of `target_session_attrs` that a primary server fulfils. All work here needs one. */
const PRIMARY = ['any', 'read-write', 'primary'];

const INVALID_AUTHORIZATION = '28000';

/** Seconds that a server has for the whole way from the first packet to its readiness. */
const CONNECT_TIMEOUT = '10';

/** Seconds without a packet after which TCP asks whether the other machine is there at all. */
const KEEPALIVE_AFTER = 30;

const INVALID_PASSWORD = '28P01';

/** Pauses (milliseconds) before the credentials are fetched again: a rotation changes the role first, then the secret. */
const ROTATION_PAUSES = [1000, 3000, 10_000];

/** Connects to the primary. Rejects with `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED` or `INVALID_SETTINGS`. */
export async function connect(database: ServerAddress): Promise<Connected> {
  for (const pause of ROTATION_PAUSES) {
    try {
      return await connectOnce(database);
    } catch (error) {
      if (!mayBeRotated(database, error)) throw error;
      await sleep(pause);
    }
  }
  return connectOnce(database);
}

/** Whether the password was refused, and may be another one by the next attempt. */
export function mayBeRotated({ credentials }: ServerAddress, error: unknown): boolean {
  return credentials !== undefined && error instanceof DatabaseFailure && error.state === INVALID_PASSWORD;
}

async function connectOnce({ url, credentials: fetchCredentials }: ServerAddress): Promise<Connected> {
  // First what is wrong with the address: that needs no answer of AWS.
  connectionAddress(url, process.env);
  const credentials = await fetchCredentials?.();
  const address = connectionAddress(url, process.env, credentials?.defaults);
  if (credentials !== undefined) requireOneLogin(address, credentials);
  const mustLook = mustBePrimary(address) || address.hosts.length > 1;
  // Before the first connection: what is wrong with the settings of one host is not a reason to take another.
  const attempts = await Promise.all(
    address.hosts.map(async (host) => ({
      host,
      modes: attemptsWith(credentials, await tlsAttempts(host, address)),
    })),
  );
  let failure: unknown = new Error('no host');
  for (const { host, modes } of attempts) {
    try {
      const password = await credentials?.password({ ...host, user: roleOf(address) });
      const connected = await connectTo(modes, { host, address, password: password ?? address.of('password') });
      if (!mustLook || (await isPrimary(connected))) return { ...connected, schema: address.schema };
      failure = new Error(`${host.host} is a replica`);
    } catch (error) {
      failure = databaseError(error);
      if (!isLostConnection(failure)) throw failure;
    }
  }
  throw databaseError(failure);
}

function mustBePrimary({ of }: ConnectionAddress): boolean {
  const wanted = of('target_session_attrs') ?? 'any';
  if (PRIMARY.includes(wanted)) return wanted !== 'any';
  throw invalid(
    `target_session_attrs must be one of ${PRIMARY.join(', ')}: a replica may lack rows, and takes no writes.`,
  );
}

function attemptsWith(credentials: Credentials | undefined, modes: readonly Tls[]): readonly Tls[] {
  if (credentials?.needsTls !== true) return modes;
  const encrypted = modes.filter((tls) => tls !== false);
  if (encrypted.length > 0) return encrypted;
  throw invalid('The token that AWS issues for the database goes over TLS only: sslmode=verify-full.');
}

interface Door {
  readonly host: Host;
  readonly address: ConnectionAddress;
  readonly password: string | undefined;
}

async function connectTo(modes: readonly Tls[], door: Door): Promise<Omit<Connected, 'schema'>> {
  let failure: unknown;
  for (const tls of modes) {
    const socket = new Socket();
    const client = new pg.Client({ ...settingsFor(door, tls), stream: () => socket });
    const watch = new AnswerWatch(client, socket);
    // The query under way reports a lost connection; without a listener this event would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return { client, watch };
    } catch (error) {
      await client.end().catch(() => undefined);
      failure = watch.failure ?? error;
      if (!isOverTls(failure)) break;
    }
  }
  throw failure;
}

/** Every setting is said here: `pg` reads variables by itself for what is left out. */
function settingsFor(door: Door, tls: Tls): pg.ClientConfig {
  const { host, port } = door.host;
  const { database, of } = door.address;
  const seconds = Number(of('connect_timeout') ?? CONNECT_TIMEOUT);
  if (!Number.isInteger(seconds) || seconds < 1) throw invalid('connect_timeout must be a number of seconds from 1.');
  const binding = of('channel_binding') ?? 'prefer';
  if (!['disable', 'prefer'].includes(binding)) {
    throw invalid(
      'channel_binding must be disable or prefer: require is not supported here. Use sslmode=verify-full instead.',
    );
  }
  const user = roleOf(door.address);
  const options = of('options');
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
    user,
    database: database ?? user,
    password: door.password ?? (() => passwordInFile({ host, port, user }, database ?? user)),
    ...(options === undefined ? {} : { options }),
  };
  return settings;
}

function isOverTls(error: unknown): boolean {
  return hasNoTls(error) || isOfTls(error) || sqlState(error) === INVALID_AUTHORIZATION;
}

/** Whether it takes writes; the connection to any other is closed. */
async function isPrimary({ client, watch }: Omit<Connected, 'schema'>): Promise<boolean> {
  let isFound = false;
  try {
    const { rows } = await watch.during(
      client.query<{ replica: boolean }>('SELECT pg_catalog.pg_is_in_recovery() AS replica'),
    );
    isFound = rows[0]?.replica === false;
  } finally {
    if (!isFound) await client.end().catch(() => undefined);
  }
  return isFound;
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}
