import type { Connection } from '../connection/database.ts';
import type { Column } from './column.ts';

/**
 * Whether the entry `d` of pg_depend says that the generated column `made` of a table, with the expression `e`, is made of its
 * column `source`. PostgreSQL 15 and newer note it at the expression, older ones at the column.
 */
export function isMadeOf(table: string): string {
  return `d.refclassid = 'pg_class'::regclass AND d.refobjid = ${table} AND d.refobjsubid = source.attnum
     AND (d.classid, d.objid, d.objsubid) IN (('pg_attrdef'::regclass, e.oid, 0), ('pg_class'::regclass, ${table}, made.attnum))`;
}

const GENERATED = `
  WITH tables AS (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))
  SELECT made.attname, bool_or(made.attgenerated = 's'), bool_or(d.objid IS NOT NULL)
    FROM tables
    JOIN pg_attribute source ON source.attrelid = id AND source.attname = $2
    JOIN pg_attribute made ON made.attrelid = id AND made.attgenerated <> ''
    LEFT JOIN pg_attrdef e ON e.adrelid = id AND e.adnum = made.attnum
    LEFT JOIN pg_depend d ON ${isMadeOf('id')}
   GROUP BY 1 ORDER BY 1`;

/** Generated columns of the table or of one of its partitions, by name. */
export async function generatedColumns(
  session: Connection,
  tableId: string,
  column: string,
): Promise<Pick<Column, 'derived' | 'computed'>> {
  const rows = await session.rows(GENERATED, [tableId, column]);
  return {
    derived: rows.flatMap(([name, , isDerived]) => (isDerived === 't' ? (name ?? []) : [])),
    computed: rows.flatMap(([name, isStored]) => (isStored === 't' ? (name ?? []) : [])),
  };
}
