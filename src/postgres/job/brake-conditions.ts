import { statfs } from 'node:fs/promises';
import type { Column } from '../catalog/column.ts';
import { partitionsOf } from '../catalog/partition-tree.ts';
import type { Connection } from '../connection/database.ts';
import { isKeyRotationError, KeyRotationError, withoutFullStop } from '../../format/error.ts';
import { isLostConnection } from '../connection/database-error.ts';
import type { BrakeState } from './brakes.ts';
import { otherWriter } from './job-tables.ts';

export type BrakeName =
  'paused' | 'free-disk' | 'held-wal' | 'replication-lag' | 'vacuum' | 'lock-waits' | 'pause-while' | 'lock-timeout';

export interface Wait {
  readonly brake: BrakeName;
  /** For people: what was found, and the limit. */
  readonly detail: string;
}

/** A final check only reads: it hinders neither. */
const PASSED_BY_CHECKS: readonly BrakeName[] = ['vacuum', 'lock-waits'];

export function holdsCheck({ brake }: Wait): boolean {
  return !PASSED_BY_CHECKS.includes(brake);
}

type BrakedColumn = Pick<Column, 'tableId' | 'table'>;

const QUERY_TIMEOUT = '5s';

/** In bytes. A slot that was invalidated keeps nothing, whatever its position. Where the server limits what slots keep, half of that is the limit: beyond it a slot would be lost. */
const HELD_WAL = `
  SELECT name, held / 1048576, least($1::bigint, cap / 2)
    FROM (SELECT slot_name::text AS name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS held,
                 (SELECT nullif(setting::bigint, -1) FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS cap
            FROM pg_replication_slots WHERE wal_status IS DISTINCT FROM 'lost'
           UNION ALL
          SELECT 'replica ' || application_name, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint, NULL
            FROM pg_stat_replication) all_of_them
   WHERE held / 1048576 > least($1::bigint, cap / 2)
   ORDER BY held DESC LIMIT 1`;

const LAG = `
  SELECT application_name, extract(epoch FROM replay_lag)::bigint FROM pg_stat_replication
   WHERE replay_lag > $1 * interval '1 second' ORDER BY replay_lag DESC LIMIT 1`;

const TREE = `tree AS (SELECT id FROM ${partitionsOf('$1::oid')} parts(id))`;

/** The lock of VACUUM, ANALYZE, CREATE INDEX CONCURRENTLY: who holds it is not for every role to see, the lock is. */
const VACUUM = `
  WITH ${TREE}
  SELECT relation::regclass::text FROM pg_locks
   WHERE locktype = 'relation' AND mode = 'ShareUpdateExclusiveLock' AND granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation IN (SELECT id FROM tree)
   LIMIT 1`;

/** PostgreSQL 13 does not say since when a session waits. The others count after a quarter of a second. */
const LOCK_WAITS = `
  WITH ${TREE}
  SELECT count(DISTINCT w.pid) FROM pg_locks w
   WHERE NOT w.granted
     AND coalesce(clock_timestamp() - (to_jsonb(w)->>'waitstart')::timestamptz > interval '250 milliseconds', true)
     AND ((w.locktype IN ('relation', 'tuple') AND w.relation IN (SELECT id FROM tree)
           AND w.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
       OR (w.locktype = 'transactionid'
           AND EXISTS (SELECT FROM pg_locks h JOIN pg_locks r ON r.pid = h.pid
                        WHERE h.locktype = 'transactionid' AND h.granted AND h.transactionid = w.transactionid
                          AND r.locktype = 'relation' AND r.mode = 'RowExclusiveLock' AND r.relation IN (SELECT id FROM tree))))`;

/** Only if the server is on this machine and this role may know. */
const DATA_FOLDER = `
  SELECT setting FROM pg_settings
   WHERE name = 'data_directory'
     AND (inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1')`;

/**
 * Those that hold a final check, too, are looked at first, and of them those that cost least. `ownQuery`: that of this command.
 * Any other one is not run while a role that is not trusted may write into the tables of jobs.
 */
export async function whyWait(
  session: Connection,
  { tableId, table }: BrakedColumn,
  brakes: BrakeState,
  ownQuery?: string | null,
): Promise<Wait | undefined> {
  if (brakes.isPaused) return { brake: 'paused', detail: 'paused; reencrypt --resume continues it' };
  const { minFreeDiskMegabytes, maxHeldWalMegabytes, maxLagSeconds, waitsForVacuum, waitsForLocks, pauseWhile } =
    brakes;
  if (minFreeDiskMegabytes !== null) {
    const free = await freeDisk(session);
    if (free !== undefined && free < minFreeDiskMegabytes) {
      return {
        brake: 'free-disk',
        detail: `${free} MB of the server's disk are free, at least ${minFreeDiskMegabytes} MB`,
      };
    }
  }
  if (maxHeldWalMegabytes !== null) {
    const [found] = await session.rows(HELD_WAL, [maxHeldWalMegabytes]);
    const [name, held, limit] = found ?? [];
    if (held != null) {
      return {
        brake: 'held-wal',
        detail: `${name ?? 'a slot'} holds ${held} MB of write-ahead log, at most ${limit ?? ''} MB`,
      };
    }
  }
  if (maxLagSeconds !== null) {
    const [found] = await session.rows(LAG, [maxLagSeconds]);
    const [name, lag] = found ?? [];
    if (lag != null) {
      return { brake: 'replication-lag', detail: `replica ${name ?? ''} lags ${lag} s, at most ${maxLagSeconds} s` };
    }
  }
  if (pauseWhile !== null) {
    const isOwn = pauseWhile === ownQuery;
    const wait = (isOwn ? undefined : await whyNotAsk(session)) ?? (await askQuery(session, pauseWhile));
    if (wait !== undefined) return wait;
  }
  if (waitsForVacuum) {
    const [found] = await session.rows(VACUUM, [tableId]);
    if (found !== undefined) return { brake: 'vacuum', detail: `VACUUM or other maintenance of ${found[0] ?? table}` };
  }
  if (waitsForLocks) {
    const [found] = await session.rows(LOCK_WAITS, [tableId]);
    const waiting = Number(found?.[0]);
    if (waiting > 0) {
      return {
        brake: 'lock-waits',
        detail: `${waiting} session${waiting === 1 ? '' : 's'} wait for locks on ${table}`,
      };
    }
  }
  return undefined;
}

export async function requireQuery(session: Connection, query: string): Promise<void> {
  const answer = await askQuery(session, query);
  if (answer?.detail.startsWith(FAILED) !== true) return;
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    `${withoutFullStop(answer.detail)}. It has to be one SELECT: its first value counts.`,
  );
}

/** False, zero or nothing, as the types of PostgreSQL spell them: an interval is `PT0S`, money `$0.00`, an array `{}`. */
const SAYS_NO = /^(f|false|n|no|off|PT0S|[^\p{L}1-9]*)$/iu;

const FAILED = 'the query of --pause-while failed';

/** Why only the process that it was given to runs a query of --pause-while; `undefined` where every one does. */
export async function whyNotAsk(session: Connection): Promise<Wait | undefined> {
  const writer = await otherWriter(session);
  if (writer === undefined) return undefined;
  const detail =
    `the query of --pause-while is not run: ${writer} could have set it. ` +
    'Give it to each reencrypt as its own --pause-while, or revoke this right and set it again. ' +
    'reencrypt --set pause-while=off turns it off';
  return { brake: 'pause-while', detail };
}

/** A query that fails holds the job: what it was to warn of may be the reason. */
async function askQuery(session: Connection, query: string): Promise<Wait | undefined> {
  const asked = `SELECT * FROM (${query.replace(/[;\s]+$/, '')}\n) AS asked LIMIT 1`;
  try {
    const [found] = await session.transaction(() => session.underOwnPath(() => session.rows(asked), true), {
      mode: 'READ ONLY',
      settings: [`SET LOCAL statement_timeout = '${QUERY_TIMEOUT}'`],
    });
    const value = found?.[0];
    if (value == null || SAYS_NO.test(value)) return undefined;
    return { brake: 'pause-while', detail: `the query of --pause-while says ${JSON.stringify(value.slice(0, 80))}` };
  } catch (error) {
    if (isLostConnection(error) || !isKeyRotationError(error)) throw error;
    return { brake: 'pause-while', detail: `${FAILED}: ${error.message}` };
  }
}

/** `undefined` where this machine cannot see them. */
async function freeDisk(session: Connection): Promise<number | undefined> {
  const [found] = await session.rows(DATA_FOLDER);
  if (found?.[0] == null) return undefined;
  const disk = await statfs(found[0]).catch(() => undefined);
  return disk === undefined ? undefined : Math.floor((disk.bavail * disk.bsize) / 1_048_576);
}
