import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '../connection/database.ts';

/**
 * Transactions that have written, and hold the lock of a writer on one of the tables or their partitions, or of one that
 * attaches a partition. One that holds the table itself is left out: our own lock waits for it. A prepared transaction has
 * no process; it is shown by its name.
 */
const WRITERS = `
  WITH tables AS (
    SELECT root.id AS root, root.id FROM unnest($1::oid[]) root(id)
     UNION SELECT root.id, relid FROM unnest($1::oid[]) root(id), pg_partition_tree(root.id))
  SELECT DISTINCT tables.root, l.virtualtransaction, coalesce(l.pid::text, ''), coalesce(p.gid, ''),
         coalesce(p.owner, a.usename, ''), tables.root::regclass::text
    FROM pg_locks l
    JOIN tables ON tables.id = l.relation
    JOIN pg_class c ON c.oid = tables.id
    JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
    JOIN pg_locks x ON x.virtualtransaction = l.virtualtransaction AND x.pid IS NOT DISTINCT FROM l.pid
                   AND x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock' AND x.granted
    LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid AND l.pid IS NULL
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.locktype = 'relation' AND l.granted
     AND (l.mode = 'RowExclusiveLock' OR (l.mode = 'ShareUpdateExclusiveLock' AND c.relkind = 'p'))
     AND l.pid IS DISTINCT FROM pg_backend_pid()
     AND NOT EXISTS (SELECT FROM pg_locks held
                      WHERE held.relation = tables.root AND held.database = l.database AND held.granted
                        AND held.virtualtransaction = l.virtualtransaction AND held.mode = 'AccessExclusiveLock')
   ORDER BY 2, 1`;

/** How writers are waited for. */
export interface WritersWait {
  /** Milliseconds after which they are waited for no longer. Default: 60,000. */
  readonly timeout?: number | undefined;
  /** Called now and then with a table and the transactions that are waited for. */
  readonly onWait?: ((table: string, writers: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds for which writers are waited for by default. */
export const WRITERS_TIMEOUT = 60_000;

/** Milliseconds between two looks. */
const PAUSE = 200;

/**
 * Waits until the transactions have ended that have written to the tables so far, as CREATE INDEX CONCURRENTLY does: a
 * snapshot that is taken then has all of their rows. It blocks no one, and does not wait for later ones. Gives, by the
 * table's number, those that are still open after the timeout.
 */
export async function waitForWriters(
  session: Connection,
  tableIds: readonly string[],
  { timeout = WRITERS_TIMEOUT, onWait, signal }: WritersWait,
): Promise<ReadonlyMap<string, string>> {
  const look = async () => session.rows(WRITERS, [`{${tableIds.join(',')}}`]);
  const older = new Set((await look()).map(([, transaction]) => transaction));
  for (let waited = 0; ; waited += PAUSE) {
    const open = older.size === 0 ? [] : (await look()).filter(([, transaction]) => older.has(transaction));
    const writersOf = new Map<string, string>();
    const tables = new Map<string, string>();
    for (const [tableId, , pid, gid, role, table] of open) {
      if (tableId == null) continue;
      const shown = pid === '' ? `the prepared transaction ${JSON.stringify(gid)}` : `process ${pid ?? ''}`;
      const before = writersOf.get(tableId);
      writersOf.set(tableId, `${before === undefined ? '' : `${before}, `}${shown} (role ${role ?? ''})`);
      tables.set(tableId, table ?? '');
    }
    if (writersOf.size === 0 || waited >= timeout) return writersOf;
    for (const [tableId, writers] of writersOf) onWait?.(tables.get(tableId) ?? '', writers);
    await sleep(PAUSE, undefined, { signal });
  }
}
