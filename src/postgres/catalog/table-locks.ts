import { KeyRotationError } from '../../format/error.ts';
import type { Column } from './column.ts';
import type { Connection } from '../connection/database.ts';
import { isNamed } from './look-up-table.ts';

/** Tables of this database that the session has locked. `pg_locks` says it as it is now, not as a snapshot has it. */
const LOCKED = `
  SELECT l.relation FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
   WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted
     AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()`;

/** The tables, their partitions and those that they are partitions of, and the toast tables and indexes of all these. */
const STRANGE = `
  WITH tables AS (
    SELECT t.id FROM pg_catalog.unnest($1::pg_catalog.oid[]) t(id)
     UNION SELECT p.relid FROM pg_catalog.unnest($1::pg_catalog.oid[]) t(id), pg_catalog.pg_partition_tree(t.id) p
     UNION SELECT p.relid FROM pg_catalog.unnest($1::pg_catalog.oid[]) t(id), pg_catalog.pg_partition_ancestors(t.id) p)
  SELECT l.relation
    FROM pg_catalog.pg_locks l
    LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = l.relation
   WHERE l.pid = ANY ($2::pg_catalog.int4[]) AND l.locktype = 'relation'
     AND NOT coalesce(c.relnamespace IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'pg_toast')),
                      false)
     AND coalesce(i.indrelid, l.relation) NOT IN (SELECT id FROM tables)`;

/** The numbers of the tables that the open transaction of this session has locked. */
export async function lockedTables(session: Connection): Promise<ReadonlySet<string | null | undefined>> {
  return new Set((await session.rows(LOCKED)).map(([id]) => id));
}

/**
 * Throws `DATABASE_REFUSED` where a name in the open transactions of `readers` has meant another table than it did when
 * it was looked up. ALTER SCHEMA RENAME needs no lock on a table; but the table that was read in the place of the right
 * one stays locked until the reader commits. `watch` looks at the catalog as it is now.
 */
export async function requireTheirTables(
  watch: Connection,
  readers: readonly Connection[],
  columns: readonly Column[],
): Promise<void> {
  const pids: string[] = [];
  for (const reader of readers) {
    const [found] = await reader.rows('SELECT pg_catalog.pg_backend_pid()');
    pids.push(found?.[0] ?? '');
  }
  const ids = [...new Set(columns.map(({ tableId }) => tableId))];
  const strange = await watch.rows(STRANGE, [`{${ids.join(',')}}`, `{${pids.join(',')}}`]);
  if (strange.length > 0) throw replaced(columns.map(({ table }) => table).join(', '));
  for (const { table, tableId } of columns) {
    if (!(await isNamed(watch, tableId, table))) throw replaced(table);
  }
}

/** The error for a name that another table has taken. */
export function replaced(tables: string): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `${tables}: the table was replaced while it was counted. Run this again.`,
  );
}
