import { KeyRotationError } from '../../format/error.ts';
import type { ColumnSpec, KeyColumn } from './column.ts';
import type { Connection } from '../connection/database.ts';

/**
 * Unique indexes over plain columns that are never NULL, which therefore name every row; the primary key first. A NOT
 * NULL that was never validated (PostgreSQL 18) does not count. Of a domain the type under it is taken. ORDER BY compares
 * by the type's default operator class: the operators of that class are named, in whatever schema they are.
 */
const KEYS = `
  SELECT i.indexrelid, a.attname, base.name, i.indisprimary,
         quote_ident(coalesce((SELECT n.nspname
                                 FROM pg_opclass o
                                 JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
                                 JOIN pg_amop p ON p.amopfamily = o.opcfamily AND p.amoplefttype = o.opcintype
                                               AND p.amoprighttype = o.opcintype AND p.amopstrategy = 3
                                 JOIN pg_operator q ON q.oid = p.amopopr
                                 JOIN pg_namespace n ON n.oid = q.oprnamespace
                                WHERE o.opcdefault AND o.opcintype = base.type), 'pg_catalog'))
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    CROSS JOIN LATERAL (
      WITH RECURSIVE under(type) AS (
        SELECT a.atttypid
         UNION ALL
        SELECT t.typbasetype FROM under JOIN pg_type t ON t.oid = under.type AND t.typtype = 'd')
      SELECT t.oid AS type, format('%I.%I', n.nspname, t.typname) AS name
        FROM under JOIN pg_type t ON t.oid = under.type JOIN pg_namespace n ON n.oid = t.typnamespace
       WHERE t.typtype <> 'd') base
   WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     AND k.n <= i.indnkeyatts
     AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS o(attnum, n)
                       JOIN pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = o.attnum
                      WHERE o.n <= i.indnkeyatts
                        AND (NOT x.attnotnull
                             OR EXISTS (SELECT FROM pg_constraint c
                                         WHERE c.conrelid = i.indrelid AND c.contype = 'n' AND NOT c.convalidated
                                           AND x.attnum = ANY (c.conkey))))
   ORDER BY i.indisprimary DESC, i.indexrelid, k.n`;

/** The columns that name a row. Throws `INVALID_COLUMN` where there is no unique index over just these. */
export async function lookUpKey(session: Connection, tableId: string, spec: ColumnSpec): Promise<readonly KeyColumn[]> {
  const indexes = new Map<string, KeyColumn[]>();
  let primary: KeyColumn[] | undefined;
  for (const [index, name, type, isPrimary, operators] of await session.rows(KEYS, [tableId])) {
    if (index == null || name == null || type == null || operators == null) continue;
    const columns = indexes.get(index) ?? [];
    columns.push({ name, type, operators });
    indexes.set(index, columns);
    if (isPrimary === 't') primary = columns;
  }
  return requireOneSchema(spec, chosen(spec, primary, [...indexes.values()]));
}

function chosen(
  spec: ColumnSpec,
  primary: readonly KeyColumn[] | undefined,
  indexes: readonly (readonly KeyColumn[])[],
): readonly KeyColumn[] {
  if (spec.key === undefined) {
    if (primary !== undefined) return primary;
    throw invalid(`${spec.table} has no primary key: name columns with a unique index, none of them nullable (--key).`);
  }
  const wanted = sortedNames(spec.key);
  const found = indexes.find((columns) => sortedNames(columns.map(({ name }) => name)) === wanted);
  if (found !== undefined) return found;
  throw invalid(
    `No unique index of ${spec.table} is over just ${spec.key.join(', ')} with none of them nullable, so they do not name ` +
      'a row. (A NOT NULL that was added NOT VALID counts once it is validated: ALTER TABLE … VALIDATE CONSTRAINT.)',
  );
}

/** A comparison of several columns at once finds its operators in one schema. */
function requireOneSchema(spec: ColumnSpec, key: readonly KeyColumn[]): readonly KeyColumn[] {
  if (new Set(key.map(({ operators }) => operators)).size <= 1) return key;
  throw invalid(
    `The key of ${spec.table} mixes types whose operators are in different schemas: ` +
      `${key.map(({ name, type }) => `${name} ${type}`).join(', ')}. Name another unique index (--key).`,
  );
}

function sortedNames(names: readonly string[]): string {
  return [...names].sort().join('\0');
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', message);
}
