import type { Column } from '../catalog/column.ts';
import type { TriggerChoice } from '../catalog/triggers.ts';
import type { Connection } from '../connection/database.ts';
import type { Job } from './job.ts';

/**
 * Whether this user may take the lock that keeps a table's definition, and no trigger, rule or foreign key writes in the
 * transaction of an update. Triggers of any event, since an update may move a row to another partition. `$3`: those that
 * are enabled the usual way rest. A foreign key of another table counts as well: that table's triggers may write here.
 */
const WRITES_ALONE = `
  WITH tree AS (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass)),
       names AS (SELECT value::name FROM json_array_elements_text($2::json))
  SELECT has_table_privilege($1::oid, 'UPDATE')
     AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid IN (SELECT id FROM tree) AND NOT tgisinternal
                                              AND tgenabled <> 'D' AND NOT (tgenabled = 'O' AND $3))
     AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class IN (SELECT id FROM tree)
                                              AND ev_enabled <> 'D' AND NOT (ev_enabled = 'O' AND $3))
     AND NOT EXISTS (SELECT FROM pg_constraint JOIN pg_attribute ON attrelid = confrelid AND attnum = ANY (confkey)
                      WHERE contype = 'f' AND confupdtype NOT IN ('a', 'r') AND attname IN (SELECT value FROM names)
                        AND confrelid IN (SELECT id FROM tree))`;

/** Whether a batch's transaction writes nothing into the table but its own rows. */
export async function writesAlone(
  session: Connection,
  { tableId, spec, derived }: Column,
  triggers: TriggerChoice | undefined,
): Promise<boolean> {
  const [found] = await session.rows(WRITES_ALONE, [
    tableId,
    JSON.stringify([spec.column, ...derived]),
    triggers === 'skip',
  ]);
  return found?.[0] === 't';
}

/**
 * A condition in SQL: the row `t` was not written by the job's own transactions of this pass. It holds for every row where
 * these cannot be identified by the number that a row bears: in tables of another kind than PostgreSQL's own, in a job that did
 * not write down its columns, before the server was last started (a copy counts transactions of its own), and once the server has
 * counted to 2^32, when a row that is long frozen may bear the number of a newer transaction.
 */
export async function writtenByOthers(session: Connection, { tableId }: Column, { id }: Job): Promise<string> {
  const [found] = await session.rows(
    `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint < 4294967296
        AND j.columns IS NOT NULL
        AND EXISTS (SELECT FROM pazpaz_keys.range
                     WHERE job_id = j.id AND written <> '{}' AND written_in = pg_postmaster_start_time())
        AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_am m ON m.oid = c.relam
                         WHERE m.amname <> 'heap' AND c.relkind = 'r'
                           AND c.oid IN (SELECT $2::oid UNION SELECT relid FROM pg_partition_tree($2::oid::regclass)))
       FROM pazpaz_keys.job j WHERE j.id = $1`,
    [id, tableId],
  );
  if (found?.[0] !== 't') return 'true';
  const written =
    'SELECT pg_catalog.unnest(r.written)::pg_catalog.text::pg_catalog.xid FROM pazpaz_keys.range r ' +
    `WHERE r.job_id OPERATOR(pg_catalog.=) ${BigInt(id)} ` +
    'AND r.written_in OPERATOR(pg_catalog.=) pg_catalog.pg_postmaster_start_time()';
  return `NOT (t.xmin OPERATOR(pg_catalog.=) ANY (${written}))`;
}
