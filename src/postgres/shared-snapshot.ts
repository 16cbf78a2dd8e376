import { KeyRotationError } from '../format/error.ts';
import type { Column } from './catalog/column.ts';
import { isLockTimeout } from './connection/database-error.ts';
import { Connection, type DatabaseAddress, type TransactionOptions } from './connection/database.ts';
import { heapRanges, type HeapRange } from './heap-scan.ts';

export const READING = {
  // One snapshot: a row that the application moves to another key of its table is neither missed nor counted twice.
  mode: 'ISOLATION LEVEL REPEATABLE READ, READ ONLY',
  // Rows that a policy hides are reported (`unseen`), instead of an error: what can be seen is counted.
  settings: ['SET LOCAL row_security = on'],
} satisfies TransactionOptions;

/** Two servers may give their snapshots the same names. */
const SNAPSHOT = "SELECT pg_postmaster_start_time()::text || ' ' || pg_current_snapshot()::text";

/** Shorter than the time after which the server ends a transaction that does nothing. */
const KEEP_ALIVE_INTERVAL = 20_000;

/**
 * Fewer connections where a transaction waits to change a table: it waits for `first`, and another would wait for it.
 */
export async function withReaders<T>(
  database: DatabaseAddress,
  first: Connection,
  columns: readonly Column[],
  connections: number,
  work: (readers: readonly Connection[]) => Promise<T>,
): Promise<T> {
  if (connections <= 1) return work([first]);
  const snapshot = await exportSnapshot(first);
  const join = async (readers: readonly Connection[], more: number): Promise<T> => {
    if (more === 0) return work(readers);
    const reader = await Connection.open(database);
    try {
      return await reader.transaction(async () => {
        await joinSnapshot(reader, snapshot);
        return (await canLock(reader, columns)) ? join([...readers, reader], more - 1) : work(readers);
      }, READING);
    } finally {
      await reader.close();
    }
  };
  return join([first], connections - 1);
}

/** Others can have it as long as the transaction is open that it was exported from. */
export interface SharedSnapshot {
  readonly name: string;
  readonly identity: string;
}

export async function exportSnapshot(session: Connection): Promise<SharedSnapshot> {
  const [exported] = await session.rows('SELECT pg_export_snapshot()');
  const [found] = await session.rows(SNAPSHOT);
  return { name: exported?.[0] ?? '', identity: found?.[0] ?? '' };
}

/** Gives the open transaction of `session`, which has made no query so far, that snapshot. */
export async function joinSnapshot(session: Connection, { name, identity }: SharedSnapshot): Promise<void> {
  await session.change(`SET TRANSACTION SNAPSHOT '${name}'`);
  const [found] = await session.rows(SNAPSHOT);
  if (found?.[0] !== identity) throw otherSnapshot();
}

/** Does `work` while the open transactions of `waiting` have nothing to do. It may add to them. */
export async function whileWaiting<T>(waiting: Iterable<Connection>, work: () => Promise<T>): Promise<T> {
  const keepAlive = setInterval(() => {
    for (const session of waiting) session.rows('SELECT').catch(() => undefined);
  }, KEEP_ALIVE_INTERVAL);
  try {
    return await work();
  } finally {
    clearInterval(keepAlive);
  }
}

export type ReadRange = (reader: Connection, range: HeapRange, n: number) => Promise<void>;

/** `beforeRange` rejects where no further statement may be planned. `n` of `readRange`: the place of the reader. */
export async function readTable(
  readers: readonly Connection[],
  column: Column,
  readRange: ReadRange,
  { rangeBytes, beforeRange }: { readonly rangeBytes?: number | undefined; readonly beforeRange: () => Promise<void> },
): Promise<void> {
  const [first] = readers;
  const ranges = first === undefined ? [] : [...(await heapRanges(first, column, rangeBytes))];
  const idle = new Set<Connection>();
  const read = async (reader: Connection, n: number): Promise<void> => {
    try {
      for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
        await beforeRange();
        await readRange(reader, range, n);
      }
    } catch (error) {
      // The others stop at the end of their range.
      ranges.length = 0;
      throw error;
    }
    idle.add(reader);
  };
  const ends = await whileWaiting(idle, () => Promise.allSettled(readers.map(read)));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Takes the lock of a reader on each table; not where it would have to wait for it. */
async function canLock(reader: Connection, columns: readonly Column[]): Promise<boolean> {
  try {
    await reader.change("SET LOCAL lock_timeout = '1s'");
    for (const ownRows of new Set(columns.map((column) => column.ownRows)))
      await reader.rows(`SELECT FROM ${ownRows} LIMIT 0`);
    return true;
  } catch (error) {
    if (isLockTimeout(error)) return false;
    throw error;
  }
}

function otherSnapshot(): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    'A further connection sees another state of the database: a pooler, or an address with several servers, has led it ' +
      'elsewhere. Connect to the primary server directly, or read on one connection (--connections 1).',
  );
}
