import { setTimeout as sleep } from 'node:timers/promises';
import type { Cells, Connection } from '../connection/database.ts';
import { partitionsOf } from './partition-tree.ts';

/**
 * Transactions that have written, and hold the lock of a writer on one of the tables `$1` or their partitions, or of one
 * that attaches a partition. `$2`: every prepared one, too, which has no process and is shown by its name.
 */
const WRITERS = `
  WITH tables AS (
    SELECT root.id AS root, parts.id FROM unnest($1::oid[]) root(id), LATERAL ${partitionsOf('root.id')} parts(id)),
  locks AS (
    SELECT l.relation, l.mode, l.virtualtransaction, l.pid, c.relkind
      FROM pg_locks l
      JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
      LEFT JOIN pg_class c ON c.oid = l.relation
     WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
       AND EXISTS (SELECT FROM pg_locks x
                    WHERE x.virtualtransaction = l.virtualtransaction AND x.pid IS NOT DISTINCT FROM l.pid
                      AND x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock' AND x.granted)),
  written AS (
    SELECT tables.root::text, virtualtransaction, pid
      FROM locks JOIN tables ON tables.id = relation
     WHERE mode IN ('RowExclusiveLock', 'AccessExclusiveLock') OR (mode = 'ShareUpdateExclusiveLock' AND relkind = 'p')),
  places AS (
    SELECT DISTINCT * FROM written
     UNION ALL
    SELECT '', x.virtualtransaction, NULL
      FROM pg_locks x JOIN pg_prepared_xacts p ON p.transaction = x.transactionid AND p.database = current_database()
     WHERE $2 AND x.pid IS NULL AND x.virtualtransaction NOT IN (SELECT virtualtransaction FROM written))
  SELECT places.root, places.virtualtransaction, coalesce(places.pid::text, ''), coalesce(p.gid, ''),
         coalesce(p.owner, a.usename, ''), coalesce(c.oid::regclass::text, ''),
         extract(epoch FROM clock_timestamp() - coalesce(p.prepared, a.xact_start))::int8
    FROM places
    LEFT JOIN pg_class c ON c.oid = nullif(places.root, '')::oid
    LEFT JOIN pg_locks x ON places.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = places.virtualtransaction
                        AND x.transactionid IN (SELECT transaction FROM pg_prepared_xacts)
    LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
    LEFT JOIN pg_stat_activity a ON a.pid = places.pid
   ORDER BY 2, 1`;

const STATEMENT = 'statement';

/**
 * Open transactions: a cursor or REPEATABLE READ shows them rows as they were, and an application may have read a row that it
 * writes back. Statements, too, that have committed within, or do so now: a procedure keeps the rows of a query over its own
 * COMMITs. Not by their text, of which PostgreSQL shows the beginning. Background processes have no role.
 */
const OPEN_TRANSACTIONS = `
  WITH sessions AS (
    SELECT a.*, v.virtualtransaction
      FROM pg_stat_activity a
      LEFT JOIN pg_locks v ON v.pid = a.pid AND v.locktype = 'virtualxid' AND v.mode = 'ExclusiveLock' AND v.granted
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL)
  SELECT '', virtualtransaction, pid::text, '', usename, '', extract(epoch FROM clock_timestamp() - xact_start)::int8,
         'transaction'
    FROM sessions WHERE virtualtransaction IS NOT NULL
   UNION ALL
  SELECT '', format('statement of %s since %s', pid, query_start), pid::text, '', usename, '',
         extract(epoch FROM clock_timestamp() - query_start)::int8, '${STATEMENT}'
    FROM sessions
   WHERE state = 'active'
     AND (xact_start > query_start OR backend_type = 'client backend' AND virtualtransaction IS NULL)
   ORDER BY 3`;

/** Sessions of which this user does not see whether a statement runs, or no one does: `track_activities`. */
const HIDDEN_SESSIONS = `
  SELECT backend_type IS NULL, count(*), string_agg(DISTINCT coalesce(usename, '?'), ', '), format('%I', current_user)
    FROM pg_stat_activity
   WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
     AND (backend_type IS NULL OR state = 'disabled')
   GROUP BY 1 ORDER BY 1 DESC`;

/** Why procedures of other roles, which keep rows over their own commits, are not seen; `undefined` where all are. */
export async function whyProceduresAreHidden(session: Connection): Promise<string | undefined> {
  const found = await session.rows(HIDDEN_SESSIONS);
  const reasons = found.map(([lacksRight, count, roles, role]) => {
    const run = `what is run by ${count ?? ''} session${count === '1' ? '' : 's'} of ${roles ?? ''}, such as a procedure that writes rows again as they were`;
    return lacksRight === 't'
      ? `this user does not see ${run}: GRANT pg_read_all_stats TO ${role ?? ''}`
      : `no one sees ${run}, because their track_activities is off: turn it on (ALTER SYSTEM, ALTER DATABASE or ALTER ROLE), ` +
          'and let them connect again';
  });
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

/** In place of a table's number: all tables, which open transactions may write. */
export const ALL_TABLES = '';

export interface WrittenTables {
  readonly ids: readonly string[];
  /** Also every other open transaction: of tables that no one else sees yet, or with rows as they were. */
  readonly hidden?: boolean;
}

export interface WritersWait {
  /** Milliseconds after which they are waited for no longer. Default: 60,000. */
  readonly timeout?: number | undefined;
  /** Called now and then with a table and the transactions that are waited for. */
  readonly onWait?: ((table: string, writers: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenWriters {
  readonly table: string;
  readonly writers: string;
  /** What they keep from a count, and what can be done. */
  readonly reason: string;
}

export const END_THEM = 'let them end (COMMIT, COMMIT PREPARED), or end them (pg_terminate_backend, ROLLBACK PREPARED)';

const END_STATEMENTS = 'let them end, or end them (pg_cancel_backend, pg_terminate_backend)';

export const WRITERS_TIMEOUT = 60_000;

const PAUSE = 200;

/**
 * Waits until the transactions have ended that have written to the tables so far, as CREATE INDEX CONCURRENTLY does: a
 * snapshot that is taken then has all of their rows. It blocks no one. It waits for those, too, that have begun during
 * such a wait, and not for later ones. Gives, by the table's number, those that are still open after the timeout.
 */
export async function waitForWriters(
  session: Connection,
  { ids, hidden = false }: WrittenTables,
  { timeout = WRITERS_TIMEOUT, onWait, signal }: WritersWait,
): Promise<ReadonlyMap<string, OpenWriters>> {
  const look = async () => {
    const found = await session.rows(WRITERS, [`{${ids.join(',')}}`, hidden]);
    const known = identities(found);
    const others = hidden ? await session.rows(OPEN_TRANSACTIONS) : [];
    return [...found, ...others.filter(([, transaction]) => !known.has(transaction))];
  };
  let found = await look();
  let older = identities(found);
  let isSecond = false;
  for (let waited = 0; ; waited += PAUSE) {
    let writersOf = writersByTable(found.filter(([, transaction]) => older.has(transaction)));
    if (writersOf.size === 0 && waited > 0 && !isSecond) {
      isSecond = true;
      older = identities(found);
      writersOf = writersByTable(found);
    }
    if (writersOf.size === 0 || waited >= timeout) return writersOf;
    for (const { table, writers } of writersOf.values()) onWait?.(table, writers);
    await sleep(PAUSE, undefined, { signal });
    found = await look();
  }
}

function identities(found: readonly Cells[]): ReadonlySet<string | null | undefined> {
  return new Set(found.map(([, transaction]) => transaction));
}

function writersByTable(found: readonly Cells[]): ReadonlyMap<string, OpenWriters> {
  const tables = new Set(found.flatMap(([tableId]) => tableId ?? []));
  return new Map(
    [...tables].map((id) => [
      id,
      openWriters(
        id,
        found.filter(([tableId]) => tableId === id),
      ),
    ]),
  );
}

function openWriters(tableId: string, found: readonly Cells[]): OpenWriters {
  const isOfAll = tableId === ALL_TABLES;
  const statements = found.filter(([, , , , , , , kind]) => kind === STATEMENT);
  // The transaction of such a statement ends by itself, and the next one follows.
  const within = new Set(statements.map(([, , pid]) => pid));
  const transactions = found.filter((row) => !within.has(row[2]));
  const kinds = [
    {
      shown: transactions.map((row) => shownWriter(row, 'open for')),
      what: isOfAll
        ? 'open transactions may write rows again as they were'
        : 'transactions that have written to it are still open',
      advice: END_THEM,
    },
    {
      shown: statements.map((row) => shownWriter(row, 'statement runs for')),
      what:
        'running statements that commit within (CALL, DO) keep the rows of a query over their own commits, and may write ' +
        'these rows again as they were',
      advice: END_STATEMENTS,
    },
  ].filter(({ shown }) => shown.length > 0);
  return {
    table: isOfAll ? 'all tables' : (found[0]?.[5] ?? ''),
    writers: kinds.flatMap(({ shown }) => shown).join(', '),
    reason: kinds.map(({ what, shown, advice }) => `${what}: ${shown.join(', ')}; ${advice}`).join('; '),
  };
}

function shownWriter([, , pid, gid, role, , age]: Cells, since: string): string {
  const shown = pid === '' ? `the prepared transaction ${JSON.stringify(gid)}` : `process ${pid ?? ''}`;
  return `${shown} (role ${role ?? ''}${age == null ? '' : `, ${since} ${shownAge(Number(age))}`})`;
}

function shownAge(seconds: number): string {
  const hours = seconds / 3600;
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return seconds < 600 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}
