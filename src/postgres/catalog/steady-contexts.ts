import { KeyRotationError } from '../../format/error.ts';
import type { Connection } from '../connection/database.ts';
import { columnName, sharesRows, type Column } from './column.ts';
import { isMadeOf } from './derived-columns.ts';

/**
 * What PostgreSQL changes by itself where a column does: columns that are generated from it, columns that refer to it with
 * ON UPDATE CASCADE, SET NULL or SET DEFAULT, and what follows from these. Columns go by their topmost partitioned table.
 * `$3`: whether those count that are generated from the column itself.
 */
const CHANGES = `
  WITH RECURSIVE changes(root, name, how, empties) AS (
    SELECT coalesce(pg_partition_root($1::oid::regclass)::oid, $1::oid), $2::name, '' COLLATE "C", false
     UNION
    SELECT coalesce(pg_partition_root(next.relation::regclass)::oid, next.relation), next.name, next.how, next.empties
      FROM changes c
     CROSS JOIN LATERAL (SELECT c.root AS id UNION SELECT relid FROM pg_partition_tree(c.root::regclass)) tree
      JOIN pg_attribute source ON source.attrelid = tree.id AND source.attname = c.name AND NOT source.attisdropped
     CROSS JOIN LATERAL (
       SELECT made.attrelid AS relation, made.attname AS name, format('is generated from %s.%I', c.root::regclass, c.name) AS how, false AS empties
         FROM pg_attribute made
         LEFT JOIN pg_attrdef e ON e.adrelid = made.attrelid AND e.adnum = made.attnum
         JOIN pg_depend d ON ${isMadeOf('tree.id')}
        WHERE made.attrelid = tree.id AND made.attgenerated <> '' AND ($3 OR c.how <> '')
        UNION ALL
       SELECT k.conrelid, refers.attname,
              format('follows %s.%I by the foreign key %I (ON UPDATE %s)', k.confrelid::regclass, c.name, k.conname,
                     CASE k.confupdtype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END),
              k.confupdtype <> 'c'
         FROM pg_constraint k
         JOIN pg_attribute refers ON refers.attrelid = k.conrelid
          AND refers.attnum = ANY (CASE k.confupdtype WHEN 'c' THEN k.conkey[array_position(k.confkey, source.attnum):array_position(k.confkey, source.attnum)]
                                                      ELSE k.conkey END)
        WHERE k.contype = 'f' AND k.confrelid = tree.id AND source.attnum = ANY (k.confkey) AND k.confupdtype IN ('c', 'n', 'd')
          AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgrelid = tree.id AND t.tgenabled <> 'D')) next)
  SELECT root, name, how, empties FROM changes WHERE how <> ''`;

const IF_UNFINISHED = 'and --start-over if a job for these rows is unfinished';

/** What helps where the context of rows does not stay. */
export const OTHER_CONTEXT =
  'Have the application write the rows in a context of columns that stay, and move them there first, in a list of their ' +
  `own (--to-context, ${IF_UNFINISHED}).`;

/** What helps where their key does not stay. */
export const OTHER_KEY = `Name other columns with a unique index as the key of the rows (--key, ${IF_UNFINISHED}).`;

const OTHER_ACTION = 'Drop this foreign key, or change its ON UPDATE, first.';

/**
 * Which of the columns `$2` are numbers of the catalog, whose text names other objects, or hold such ones: in an array, a
 * composite type or a range.
 */
const NAMES_OF_OBJECTS = `
  WITH RECURSIVE under(name, own, type) AS (
    SELECT attname, atttypid, atttypid FROM pg_attribute
     WHERE attrelid = $1::oid AND attname IN (SELECT value::name FROM json_array_elements_text($2::json))
     UNION
    SELECT u.name, u.own, next.type
      FROM under u JOIN pg_type t ON t.oid = u.type
     CROSS JOIN LATERAL (
       SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
        UNION ALL SELECT a.atttypid FROM pg_attribute a
                   WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        -- Ranges of several ranges are there since version 14.
        UNION ALL SELECT r.rngsubtype FROM pg_range r
                   WHERE t.typtype IN ('r', 'm') AND t.oid IN (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)) next(type))
  SELECT u.name, t.typname, format_type(u.own, NULL)
    FROM under u JOIN pg_type t ON t.oid = u.type
   WHERE t.typname LIKE 'reg%' AND t.typnamespace = 'pg_catalog'::regnamespace ORDER BY u.name, t.typname LIMIT 1`;

interface Change {
  readonly root: string | null | undefined;
  readonly name: string | null | undefined;
  readonly how: string;
  /** Whether the value is gone then, and not another one. */
  readonly empties: boolean;
}

/**
 * Throws `INVALID_COLUMN` where a new ciphertext changes the key of its row, the context that it is sealed in, or a context of
 * another listed column, or where another listed value is emptied: that row would open no more. Also for a context whose text
 * depends on the session.
 */
export async function requireSteadyContexts(session: Connection, columns: readonly Column[]): Promise<void> {
  for (const column of columns) {
    // A jsonb value keeps its other members, which such a column may be made of. What it comes to is looked at in each batch.
    const isWhole = column.storage !== 'jsonb';
    const found = await session.rowsByPlan(CHANGES, [column.tableId, column.spec.column, String(isWhole)]);
    const changes = found.map(([root, name, how, empties]) => ({
      root,
      name,
      how: how ?? '',
      empties: empties === 't',
    }));
    for (const other of columns) requireSteady(column, other, changes);
    await requirePlainText(session, column);
  }
}

/**
 * Rows are read under one `search_path` and written under another, in which such a column may have another text. A key of
 * such a number alone is read as the number.
 */
async function requirePlainText(session: Connection, column: Column): Promise<void> {
  const keys = column.key.filter(({ isAlias }) => !isAlias).map(({ name }) => name);
  for (const { what, names, advice } of [
    {
      what: `The context of ${columnName(column)} (${column.context.source})`,
      names: column.context.columns,
      advice: OTHER_CONTEXT,
    },
    { what: `The key of ${columnName(column)}`, names: keys, advice: OTHER_KEY },
  ].filter(({ names }) => names.length > 0)) {
    const [found] = await session.rowsByPlan(NAMES_OF_OBJECTS, [column.tableId, JSON.stringify(names)]);
    if (found === undefined) continue;
    const [name, type, own] = found;
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `${what} names {${name ?? ''}}, a column of type ${own ?? ''}${own === type ? '' : ` (with ${type ?? ''} in it)`}, whose text ` +
        `depends on search_path and on the names of other objects. ${advice}`,
    );
  }
}

function requireSteady(column: Column, other: Column, changes: readonly Change[]): void {
  const isOwn = other.spec === column.spec;
  // A row may be moved from a context that is made of its ciphertext: the new one is sealed in the other.
  const contexts = [other.context, ...(isOwn || other.fromContext === undefined ? [] : [other.fromContext])];
  const places = [
    { what: `The key of ${columnName(other)}`, names: other.key.map(({ name }) => name), advice: OTHER_KEY },
    ...contexts.map(({ source, columns: names }) => ({
      what: `The context of ${columnName(other)} (${source})`,
      names,
      advice: OTHER_CONTEXT,
    })),
  ];
  const there = changes.filter(({ root }) => root === other.ancestors.at(-1));
  for (const { what, names, advice } of places) {
    if (sharesRows(column, other) && names.includes(column.spec.column))
      throw refused(what, `{${column.spec.column}} is a ciphertext of the list itself`, advice);
    const change = there.find(({ name }) => name != null && names.includes(name));
    if (change !== undefined) throw refused(what, `{${change.name ?? ''}} ${change.how}`, advice);
  }
  const emptied = there.find(({ name, empties }) => empties && name === other.spec.column);
  if (emptied !== undefined) throw refused(columnName(other), `it ${emptied.how}`, OTHER_ACTION);
}

function refused(what: string, why: string, advice: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    `${what} changes with a re-encryption: ${why}. Its rows would open no more. ${advice}`,
  );
}
