import { KeyRotationError } from '../../format/error.ts';
import type { ColumnSpec, KeyColumn } from './column.ts';
import type { Connection } from '../connection/database.ts';

/**
 * Unique indexes over plain columns that are never NULL, which therefore name every row; the primary key first. A NOT
 * NULL that was never validated (PostgreSQL 18) does not count. Of a domain the type under it is taken, and oid for its
 * aliases, such as regclass, whose indexes compare as oid: their text names an object that may be renamed or dropped.
 * ORDER BY compares by the type's default operator class: the operators of that class are named, in whatever schema they
 * are.
 */
const KEYS = `
  SELECT i.indexrelid, a.attname, base.name, i.indisprimary,
         quote_ident(coalesce(operators.schema, 'pg_catalog')), base.type, base.type <> a.atttypid,
         coalesce(operators.named, true), coalesce(operators.id, 'pg_catalog'::regnamespace)::oid, base.is_alias
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    CROSS JOIN LATERAL (
      WITH RECURSIVE under(type) AS (
        SELECT a.atttypid
         UNION ALL
        SELECT t.typbasetype FROM under JOIN pg_type t ON t.oid = under.type AND t.typtype = 'd')
      SELECT t.oid AS type, format('%I.%I', n.nspname, t.typname) AS name, t.oid <> under.type AS is_alias
        FROM under JOIN pg_type own ON own.oid = under.type AND own.typtype <> 'd'
        JOIN pg_type t ON t.oid = CASE WHEN 2 = (
             SELECT count(*) FROM pg_cast c WHERE c.castmethod = 'b' AND c.castcontext = 'i'
                AND (c.castsource, c.casttarget) IN ((own.oid, 'oid'::regtype), ('oid'::regtype, own.oid)))
             THEN 'oid'::regtype ELSE own.oid END
        JOIN pg_namespace n ON n.oid = t.typnamespace) base
    LEFT JOIN LATERAL (
      SELECT min(n.nspname) AS schema, min(n.oid::bigint)::oid AS id, array_agg(q.oprname::text ORDER BY p.amopstrategy) = '{<=,=,>}' AS named
        FROM pg_opclass o
        JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
        JOIN pg_amop p ON p.amopfamily = o.opcfamily AND p.amoplefttype = o.opcintype
                      AND p.amoprighttype = o.opcintype AND p.amopstrategy IN (2, 3, 5)
        JOIN pg_operator q ON q.oid = p.amopopr
        JOIN pg_namespace n ON n.oid = q.oprnamespace
       WHERE o.opcdefault AND o.opcintype = base.type) operators ON true
   WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     AND k.n <= i.indnkeyatts
     -- Compared in another collation than the column's, rows come in another order than the index has them in.
     AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) AS o(attnum, compares)
                       JOIN pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = o.attnum
                      WHERE o.compares <> x.attcollation)
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
  const incomparable = new Set<string>();
  for (const row of await session.rows(KEYS, [tableId])) {
    const [index, name, type, isPrimary, operators, typeId, isCast, isComparable, operatorsId, isAlias] = row;
    if (index == null || name == null || type == null || operators == null || typeId == null || operatorsId == null)
      continue;
    const columns = indexes.get(index) ?? [];
    columns.push({ name, type, typeId, isCast: isCast === 't', isAlias: isAlias === 't', operators, operatorsId });
    indexes.set(index, columns);
    if (isPrimary === 't') primary = columns;
    if (isComparable !== 't') incomparable.add(type);
  }
  return requireComparable(spec, chosen(spec, primary, [...indexes.values()]), incomparable);
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
    `No unique index of ${spec.table} is over just ${spec.key.join(', ')}, in their own collation and with none of them ` +
      'nullable, so they do not name a row. (A NOT NULL that was added NOT VALID counts once it is validated: ALTER TABLE … VALIDATE CONSTRAINT.)',
  );
}

/** A comparison of several columns at once finds its operators in one schema, by the names =, > and <=. */
function requireComparable(
  spec: ColumnSpec,
  key: readonly KeyColumn[],
  incomparable: ReadonlySet<string>,
): readonly KeyColumn[] {
  const odd = key.find(({ type }) => incomparable.has(type));
  if (odd !== undefined) {
    throw invalid(
      `The key column ${odd.name} of ${spec.table} is of type ${odd.type}, whose index does not compare with =, > and <=. ` +
        'Name another unique index (--key).',
    );
  }
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
