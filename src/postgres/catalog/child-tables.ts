import { KeyRotationError } from '../../format/error.ts';
import type { Connection } from '../connection/database.ts';
import { columnName, type Column } from './column.ts';

/** Tables that inherit from `$1`, and those that inherit from them. Foreign tables have rows elsewhere. */
const CHILDREN = `
  WITH RECURSIVE children(id) AS (
    SELECT $1::oid
     UNION
    SELECT i.inhrelid FROM children JOIN pg_inherits i ON i.inhparent = children.id
      JOIN pg_class child ON child.oid = i.inhrelid AND NOT child.relispartition)
  SELECT c.oid, format('%I.%I', n.nspname, c.relname)
    FROM children JOIN pg_class c ON c.oid = children.id JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid <> $1::oid AND c.relkind = 'r' AND c.relpersistence <> 't'
   ORDER BY 2`;

/** How many of them a message names. */
const MOST_NAMED = 10;

/**
 * Throws `INVALID_COLUMN` where a table has child tables by inheritance whose column is not among `columns`: only the
 * own rows of a table are read, since a key may repeat in a child.
 */
export async function requireChildren(session: Connection, columns: readonly Column[]): Promise<void> {
  for (const column of columns) {
    const children = await session.rows(CHILDREN, [column.tableId]);
    const missing = children.filter(
      ([id]) => !columns.some(({ tableId, spec }) => tableId === id && spec.column === column.spec.column),
    );
    if (missing.length === 0) continue;
    const named = missing.slice(0, MOST_NAMED).map(([, name]) => name ?? '');
    const more = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : '';
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `${column.spec.table} has child tables by inheritance, which are tables of their own: list ${columnName(column)} ` +
        `and the column of each of them in a file (--columns). Not listed: ${named.join(', ')}${more}.`,
    );
  }
}
