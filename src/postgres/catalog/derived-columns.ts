import { KeyRotationError } from '../../format/error.ts';
import type { Connection } from '../connection/database.ts';
import { columnName, type Column } from './column.ts';

/** PostgreSQL 15 and newer note what a generated column is made of at its expression, older ones at the column. */
const GENERATED = `
  WITH tables AS (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))
  SELECT made.attname, bool_or(made.attgenerated = 's'), bool_or(d.objid IS NOT NULL)
    FROM tables
    JOIN pg_attribute source ON source.attrelid = id AND source.attname = $2
    JOIN pg_attribute made ON made.attrelid = id AND made.attgenerated <> ''
    LEFT JOIN pg_attrdef e ON e.adrelid = id AND e.adnum = made.attnum
    LEFT JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = id AND d.refobjsubid = source.attnum
     AND (d.classid, d.objid, d.objsubid) IN (('pg_attrdef'::regclass, e.oid, 0), ('pg_class'::regclass, id, made.attnum))
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

/**
 * Throws `INVALID_COLUMN` where a new ciphertext changes the key of its row, the context that it is sealed in, or a context of
 * another listed column: that row would open no more.
 */
export function requireSteadyContexts(columns: readonly Column[]): void {
  for (const column of columns) {
    for (const other of columns.filter(({ tableId }) => tableId === column.tableId)) {
      const isOwn = other.spec === column.spec;
      // A row may be moved from a context that is made of its ciphertext: the new one is sealed in the other.
      const contexts = [other.context, ...(isOwn || other.fromContext === undefined ? [] : [other.fromContext])];
      const places = [
        { what: `The key of ${columnName(other)}`, names: other.key.map(({ name }) => name) },
        ...contexts.map(({ source, columns: names }) => ({
          what: `The context of ${columnName(other)} (${source})`,
          names,
        })),
      ];
      for (const { what, names } of places) {
        const why = changing(column, names);
        if (why !== undefined) throw refused(what, why);
      }
    }
  }
}

function changing(column: Column, names: readonly string[]): string | undefined {
  // A jsonb value keeps its other members, which such a column may be made of. What it comes to is looked at in each batch.
  const derived = column.storage === 'jsonb' ? [] : column.derived;
  const name = names.find((one) => one === column.spec.column || derived.includes(one));
  if (name === undefined) return undefined;
  return name === column.spec.column
    ? `{${name}} is a ciphertext of the list itself`
    : `{${name}} is generated from ${columnName(column)}`;
}

function refused(what: string, why: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    `${what} changes with a re-encryption: ${why}. Its rows would open no more. Have the application write them with a ` +
      'key and in a context of columns that stay, and move the rows there first, in a list of their own (--to-context).',
  );
}
