import { isBeingDetached, partitionsOf, partitionTree } from '../catalog/partition-tree.ts';
import type { Connection } from '../connection/database.ts';
import type { Storage } from '../stored-value.ts';

/** Types of PostgreSQL whose values hold no text. */
const WITHOUT_TEXT = ['numeric', 'inet', 'cidr', 'bit', 'varbit', 'path', 'polygon', 'tsvector', 'tsquery']
  .map((type) => `'${type}'::regtype`)
  .join(', ');

/** Elements of a fixed length of which an array may spell a ciphertext: a part of a text, or a byte as a number. */
const SPELLING_ELEMENTS = ['name', 'int2', 'int4', 'int8'].map((type) => `'${type}'::regtype`).join(', ');

/**
 * Columns of types that may hold a ciphertext, and of domains over them, of the tables and materialized views of users. A
 * partition is looked at with its table, unless it is being detached. A generated column that is stored holds its values
 * when it is made an ordinary one. Foreign tables have rows elsewhere: they are named as not looked at. Columns of our
 * own jobs are left out where their tables are the user's or a superuser's: anyone may make a schema of that name.
 */
const CANDIDATES = `
  WITH RECURSIVE bases AS (
    SELECT oid AS type, oid AS base, typbasetype AS next FROM pg_type
    UNION ALL SELECT bases.type, t.oid, t.typbasetype FROM bases JOIN pg_type t ON t.oid = bases.next),
  types AS MATERIALIZED (
    SELECT t.oid, t.typtype, base.oid AS base
      FROM bases b
      JOIN pg_type t ON t.oid = b.type
      JOIN pg_type base ON base.oid = b.base
      LEFT JOIN pg_type element ON element.oid = base.typelem AND base.typlen < 0
     WHERE b.next = 0
       AND (base.typlen < 0 OR base.oid = 'name'::regtype) AND base.oid NOT IN (${WITHOUT_TEXT})
       AND NOT (base.typtype IN ('r', 'm') AND base.oid < 16384)
       AND NOT (element.oid IS NOT NULL AND (element.oid IN (${WITHOUT_TEXT})
                OR element.typtype <> 'c' AND element.typlen > 0 AND element.oid NOT IN (${SPELLING_ELEMENTS}))))
  SELECT c.oid, format('%I.%I', n.nspname, c.relname), a.attname,
         CASE WHEN t.base = 'bytea'::regtype THEN 'bytea'
              WHEN t.base IN ('json'::regtype, 'jsonb'::regtype) THEN 'jsonb'
              WHEN t.base IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'text' ELSE 'other' END,
         CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'this user may not use its schema'
              WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'this user may not read it'
              WHEN row_security_active(c.oid) THEN 'row security hides rows of it'
              WHEN c.relkind = 'f' THEN 'a foreign table, whose rows are elsewhere'
              WHEN c.relkind = 'p' AND EXISTS (SELECT FROM ${partitionsOf('c.oid')} p(id) JOIN pg_class f ON f.oid = p.id
                                                     WHERE f.relkind = 'f')
              THEN 'it has foreign tables as partitions, whose rows are elsewhere' END,
         ${partitionTree('c.oid')}, a.attnum,
         CASE WHEN c.relkind = 'm' THEN 'a materialized view'
              WHEN a.attgenerated <> '' THEN 'a generated column'
              WHEN t.typtype <> 'd' THEN format_type(t.oid, NULL) ELSE format_type(t.base, NULL) END,
         c.relkind = 'm', a.attgenerated <> ''
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated IN ('', 's')
    JOIN types t ON t.oid = a.atttypid
   WHERE c.relkind IN ('r', 'p', 'm', 'f') AND (c.relkind <> 'm' OR c.relispopulated)
     AND (NOT c.relispartition
          OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid AND ${isBeingDetached('i')}))
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
     AND NOT (n.nspname = 'pazpaz_keys'
         AND EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.relowner AND (r.rolsuper OR r.rolname = session_user))
         AND (c.relname, a.attname) IN (
           ('job', 'column_name'), ('job', 'member'), ('job', 'options'), ('job', 'frontier'), ('job', 'content'),
           ('job', 'columns'), ('job', 'sources'), ('range', 'sources'), ('range', 'reached'), ('range', 'up_to'),
           ('range', 'again'), ('range', 'written'), ('left_row', 'key'), ('left_row', 'code'), ('brake', 'pause_while')))
   ORDER BY 2, a.attnum`;

const STORAGES: readonly Candidate['storage'][] = ['bytea', 'text', 'jsonb', 'other'];

export interface Candidate {
  readonly tableId: string;
  readonly table: string;
  readonly column: string;
  readonly columnNumber: number;
  /** `other`: a type in whose values a ciphertext may be, such as an array, a composite type, hstore or xml. */
  readonly storage: Storage | 'other';
  readonly tree: string;
  readonly reason: string | undefined;
  /** What it is, where it is not an ordinary column; its type otherwise. */
  readonly kind: string;
  readonly isMaterialized: boolean;
  readonly isGenerated: boolean;
}

export async function candidatesOf(session: Connection): Promise<readonly Candidate[]> {
  return (await session.rowsByPlan(CANDIDATES, [])).flatMap((found) => {
    const [tableId, table, column, type, reason, ids, number, kind, isMaterialized, isGenerated] = found;
    const storage = STORAGES.find((one) => one === type);
    if (tableId == null || table == null || column == null || storage === undefined) return [];
    return [
      {
        tableId,
        table,
        column,
        columnNumber: Number(number),
        storage,
        tree: ids ?? '',
        reason: reason ?? undefined,
        kind: kind ?? '',
        isMaterialized: isMaterialized === 't',
        isGenerated: isGenerated === 't',
      },
    ];
  });
}
