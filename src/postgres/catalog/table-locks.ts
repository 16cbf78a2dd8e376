import { KeyRotationError } from '../../format/error.ts';
import type { Column } from './column.ts';
import { textArray } from '../connection/binary-array.ts';
import type { Connection } from '../connection/database.ts';
import { partitionsOf } from './partition-tree.ts';

/** Tables of this database that the session has locked. `pg_locks` says it as it is now, not as a snapshot has it. */
const LOCKED = `
  SELECT l.relation FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
   WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted
     AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()`;

/**
 * What `$2` have locked under one of the names `$4` (schema and table) beside the tables `$1`, their partitions, ancestors,
 * indexes and toast. `$3`: our schema, or NULL. Other tables are read by functions that the planner calls, as for the
 * predicate of an index; these have other names, and no one can rename what is locked.
 */
const STRANGE = `
  WITH tables AS (
    SELECT t.id FROM pg_catalog.unnest($1::pg_catalog.oid[]) t(id)
     UNION SELECT p.id FROM pg_catalog.unnest($1::pg_catalog.oid[]) t(id), LATERAL ${partitionsOf('t.id')} p(id)
     UNION SELECT p.relid FROM pg_catalog.unnest($1::pg_catalog.oid[]) t(id), pg_catalog.pg_partition_ancestors(t.id) p)
  SELECT l.relation
    FROM pg_catalog.pg_locks l
    LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = l.relation
   WHERE l.pid = ANY ($2::pg_catalog.int4[]) AND l.locktype = 'relation'
     AND NOT coalesce(c.relnamespace IN (SELECT oid FROM pg_catalog.pg_namespace
                                          WHERE nspname IN ('pg_catalog', 'pg_toast', $3::pg_catalog.text)),
                      false)
     AND coalesce(i.indrelid, l.relation) NOT IN (SELECT id FROM tables)
     AND (c.oid IS NULL
          OR i.indexrelid IS NULL AND EXISTS (SELECT FROM pg_catalog.unnest($4::pg_catalog.text[]) name
                                               WHERE (pg_catalog.parse_ident(name))[2] = c.relname::pg_catalog.text))`;

const SCHEMA_VERSION = `
  SELECT pg_catalog.format('%s %s', n.oid, n.xmin)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
   WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`;

export async function lockedTables(session: Connection): Promise<ReadonlySet<string | null | undefined>> {
  return new Set((await session.rows(LOCKED)).map(([id]) => id));
}

/**
 * Throws `DATABASE_REFUSED` where the open transactions of `readers` have read another table by these names. ALTER SCHEMA RENAME needs
 * no lock on a table, so a name may come to mean another one; but a table that was read stays locked until the reader
 * commits. `watch` may be a reader. `ownSchema`: whose tables a reader uses as well.
 */
export async function requireOnlyTables(
  watch: Connection,
  readers: readonly Connection[],
  columns: readonly Pick<Column, 'table' | 'tableId'>[],
  ownSchema?: string,
): Promise<void> {
  const pids: string[] = [];
  for (const reader of readers) {
    const [found] = await reader.rows('SELECT pg_catalog.pg_backend_pid()');
    pids.push(found?.[0] ?? '');
  }
  const ids = [...new Set(columns.map(({ tableId }) => tableId))];
  const names = textArray([...new Set(columns.map(({ table }) => table))]);
  const values = [`{${ids.join(',')}}`, `{${pids.join(',')}}`, ownSchema ?? null, names];
  const strange = await watch.rows(STRANGE, values);
  if (strange.length > 0) throw replaced(columns.map(({ table }) => table).join(', '));
}

/**
 * Throws `DATABASE_REFUSED` unless the operator's names have meant these tables since they were looked up. The tables are
 * locked, so that only their schema can be renamed: there and back makes a new version of its row. `watch` has no
 * transaction open, and looks at the catalog as it is now.
 */
export async function requireSameTables(watch: Connection, columns: readonly Column[]): Promise<void> {
  for (const { spec, tableId, schemaVersion } of columns) {
    const [found] = await watch.rows(SCHEMA_VERSION, [tableId]);
    if (found?.[0] !== schemaVersion || (await watch.tableNamed(spec.table)) !== tableId) throw replaced(spec.table);
  }
}

export function replaced(tables: string): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `${tables}: the table was replaced, or its schema was altered, while it was read. Run this again.`,
  );
}
