import type { Connection } from '../connection/database.ts';
import type { Column } from '../catalog/column.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';

/**
 * Whatever decides which rows a batch reads and whose functions run as it writes them: the table that the name means, row
 * security, partitions, columns, triggers, rules, indexes, constraints and statistics. A foreign key of another table is
 * seen by its internal triggers on this one.
 */
const STATE = `
  WITH tree AS MATERIALIZED (
    SELECT id FROM unnest(ARRAY(SELECT $1::oid UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))) id)
  SELECT (SELECT bool_and(to_regtype(type)::oid IS NOT DISTINCT FROM type_id
                          AND to_regnamespace(operators)::oid IS NOT DISTINCT FROM operators_id)
            FROM unnest($3::text[], $4::oid[], $5::text[], $6::oid[]) key(type, type_id, operators, operators_id)),
         concat_ws(' ', to_regclass($2)::oid, row_security_active($1::oid),
           (SELECT string_agg(part, ' ' ORDER BY part) FROM (
              SELECT format('relation %s', id) FROM tree
               UNION ALL
              SELECT format('column %s %s %s %s', attnum, attname, atttypid, attgenerated)
                FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped
               UNION ALL
              SELECT format('expression %s', oid) FROM pg_attrdef WHERE adrelid IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('trigger %s %s %s', oid, tgenabled, tgfoid)
                FROM pg_trigger WHERE tgrelid IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('rule %s %s', oid, ev_enabled) FROM pg_rewrite WHERE ev_class IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('index %s', indexrelid) FROM pg_index WHERE indrelid IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('constraint %s', oid) FROM pg_constraint WHERE conrelid IN (SELECT id FROM tree)
               UNION ALL
              SELECT format('statistics %s', oid) FROM pg_statistic_ext WHERE stxrelid IN (SELECT id FROM tree)
            ) parts(part)))`;

/** None where a name in its key means another type or operator. Throws `INVALID_COLUMN` for code of another role. */
export async function tableState(
  session: Connection,
  { tableId, table, spec, key }: Column,
): Promise<string | undefined> {
  const mayGainCode = await requireOwnCode(session, tableId, spec);
  const values = [
    ...[tableId, table, arrayOf(key.map(({ type }) => type)), arrayOf(key.map(({ typeId }) => typeId))],
    ...[arrayOf(key.map(({ operators }) => operators)), arrayOf(key.map(({ operatorsId }) => operatorsId))],
  ];
  const [found] = await session.rowsByPlan(STATE, values);
  return found?.[0] === 't' ? `${found[1] ?? ''}${mayGainCode ? ' foreign owner' : ''}` : undefined;
}

function arrayOf(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replaceAll(/[\\"]/g, String.raw`\$&`)}"`).join(',')}}`;
}

/** A column that takes a name has another place, and its DEFAULT may give rows a value that no one has written. */
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

/**
 * What was written down of a table and its partitions, and of those that came since; of those that are gone, too, since they
 * may come back. `undefined` where one of them is not what it was. Each entry begins with the number of its table.
 */
export function withNewPartitions(former: string | null, now: string): string | null | undefined {
  if (former === null) return null;
  const all = byTable(former);
  for (const [id, entries] of byTable(now)) {
    if ((all.get(id) ?? entries) !== entries) return undefined;
    all.set(id, entries);
  }
  const inOrder = [...all].sort(([one], [other]) => one - other);
  return inOrder.map(([, entries]) => entries).join(' ');
}

function byTable(entries: string): Map<number, string> {
  const tables = new Map<number, string>();
  for (const entry of entries.split(' ')) {
    const id = Number.parseInt(entry, 10);
    const before = tables.get(id);
    tables.set(id, before === undefined ? entry : `${before} ${entry}`);
  }
  return tables;
}

/** Statements that lock a table against changes of its definition, until the transaction ends; none without the rights. */
export interface TableLocks {
  /** While a batch reads and writes rows. A right to single columns allows no more than the lock of a reader. */
  readonly forBatch: readonly string[];
  /** Whether those keep triggers away until the first row is written. Those of a partition come with it (ATTACH). */
  readonly keepTriggers: boolean;
  readonly forReading: readonly string[];
  /** So that the names of the schemas and of the key's types stay what they are; none without the rights. */
  readonly names: readonly string[];
}

/** `$2`: types of the key; `$3`: schemas of their operators. PostgreSQL's own are not locked. */
const TO_LOCK = `
  SELECT has_table_privilege($1::oid, 'UPDATE'), (SELECT relkind = 'r' FROM pg_class WHERE oid = $1::oid),
         has_table_privilege('pg_namespace'::regclass, 'UPDATE') AND has_table_privilege('pg_type'::regclass, 'UPDATE'),
         (SELECT string_agg(id::text, ', ' ORDER BY id) FROM (
            SELECT relnamespace FROM pg_class WHERE oid = $1::oid
             UNION SELECT typnamespace FROM pg_type WHERE oid = ANY ($2::oid[])
             UNION SELECT id FROM unnest($3::oid[]) id) schemas(id)
           WHERE id <> 'pg_catalog'::regnamespace),
         (SELECT string_agg(oid::text, ', ' ORDER BY oid) FROM pg_type
           WHERE oid = ANY ($2::oid[]) AND typnamespace <> 'pg_catalog'::regnamespace)`;

/**
 * A lock of a table does not keep the name of its schema, nor that of a type. A superuser can lock these names' rows of the
 * catalog, which makes a new name wait for the end of the transaction; a GRANT does not wait. They come before the lock of
 * the table: the name that this one is locked by must not change any more.
 */
export async function locksOf(session: Connection, { tableId, ownRows, isLocked, key }: Column): Promise<TableLocks> {
  const [types, schemas] = [key.map(({ typeId }) => typeId), key.map(({ operatorsId }) => operatorsId)];
  const [found] = await session.rows(TO_LOCK, [tableId, arrayOf(types), arrayOf(schemas)]);
  const [mayUpdate, isPlain, mayLockNames, schemaIds, typeIds] = found ?? [];
  // It was locked for reading when it was looked up, if this user may do so.
  const reading = isLocked ? [`LOCK TABLE ${ownRows} IN ACCESS SHARE MODE`] : [];
  const names =
    mayLockNames === 't'
      ? [...rowLocks('pg_namespace', schemaIds ?? null), ...rowLocks('pg_type', typeIds ?? null)]
      : [];
  return {
    names,
    forReading: reading,
    keepTriggers: mayUpdate === 't' && isPlain === 't',
    forBatch: [...names, ...(mayUpdate === 't' ? [`LOCK TABLE ${ownRows} IN ROW EXCLUSIVE MODE`] : reading)],
  };
}

function rowLocks(catalog: string, ids: string | null): readonly string[] {
  if (ids === null) return [];
  return [`SELECT FROM pg_catalog.${catalog} WHERE oid OPERATOR(pg_catalog.=) ANY ('{${ids}}') FOR KEY SHARE`];
}
