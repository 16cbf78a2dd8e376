import type { Connection } from '../connection/database.ts';
import type { Column } from '../catalog/column.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';

/**
 * Whatever decides which rows a batch reads and whose functions run as it writes them: the table that the name means, row
 * security, partitions, columns, triggers, rules, indexes, constraints and statistics.
 */
const STATE = `
  WITH tree AS MATERIALIZED (
    SELECT id FROM unnest(ARRAY(SELECT $1::oid UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))) id)
  SELECT concat_ws(' ', to_regclass($2)::oid, row_security_active($1::oid),
           (SELECT string_agg(part, ' ' ORDER BY part) FROM (
              SELECT format('relation %s', id) FROM tree
               UNION ALL
              SELECT format('column %s %s %s %s', attnum, attname, atttypid, attgenerated)
                FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped
               UNION ALL
              SELECT format('trigger %s %s %s', oid, tgenabled, tgfoid)
                FROM pg_trigger WHERE tgrelid IN (SELECT id FROM tree) AND NOT tgisinternal
               UNION ALL
              SELECT format('rule %s %s', oid, ev_enabled) FROM pg_rewrite WHERE ev_class IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('index %s', indexrelid) FROM pg_index WHERE indrelid IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('constraint %s', oid) FROM pg_constraint WHERE conrelid IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('statistics %s', oid) FROM pg_statistic_ext WHERE stxrelid IN (SELECT id FROM tree)
            ) parts(part)))`;

/** The state of a column's table, to compare with a later one. Throws `INVALID_COLUMN` if it calls code of another role. */
export async function tableState(session: Connection, { tableId, table, spec }: Column): Promise<string> {
  await requireOwnCode(session, tableId, spec);
  const [found] = await session.rowsByPlan(STATE, [tableId, table]);
  return found?.[0] ?? '';
}

/**
 * Where the column and those of its context stand in the table and in each partition. A column that takes their name has
 * another place, and its DEFAULT may give it a value in rows that no one has written since.
 */
export async function placesOf(session: Connection, { tableId, spec, context, fromContext }: Column): Promise<string> {
  const names = [...new Set([spec.column, ...context.columns, ...(fromContext?.columns ?? [])])];
  const [found] = await session.rows(
    `SELECT string_agg(format('%s.%s', attrelid, attnum), ' ' ORDER BY attrelid, attname)
       FROM pg_attribute
      WHERE attname IN (SELECT value FROM json_array_elements_text($2::json)) AND NOT attisdropped
        AND attrelid IN (SELECT $1::oid UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))`,
    [tableId, JSON.stringify(names)],
  );
  return found?.[0] ?? '';
}

/** Statements that lock a table against changes of its definition, until the transaction ends; none without the rights. */
export interface TableLocks {
  /** While a batch reads and writes rows. A right to single columns allows no more than the lock of a reader. */
  readonly forBatch: readonly string[];
  /** While rows are only read. */
  readonly forReading: readonly string[];
}

export async function locksOf(session: Connection, { tableId, table, isLocked }: Column): Promise<TableLocks> {
  const [found] = await session.rows("SELECT has_table_privilege($1::oid, 'UPDATE')", [tableId]);
  // It was locked for reading when it was looked up, if this user may do so.
  const forReading = isLocked ? [`LOCK TABLE ${table} IN ACCESS SHARE MODE`] : [];
  return { forReading, forBatch: found?.[0] === 't' ? [`LOCK TABLE ${table} IN ROW EXCLUSIVE MODE`] : forReading };
}
