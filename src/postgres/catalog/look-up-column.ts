import { KeyRotationError } from '../../format/error.ts';
import type { Column, ColumnSpec } from './column.ts';
import { contextTemplate, type ContextTemplate } from './context-template.ts';
import { Connection, quoted, type DatabaseAddress, type TransactionOptions } from '../connection/database.ts';
import { lookUpKey } from './look-up-key.ts';
import { holdTable, lockOf, lookUpTable, tableNamed } from './look-up-table.ts';
import { lockedTables, replaced } from './table-locks.ts';
import type { Storage } from '../stored-value.ts';
import { triggersOnUpdate } from './triggers.ts';

const STORAGES: ReadonlyMap<string, Storage> = new Map([
  ['bytea', 'bytea'],
  ['text', 'text'],
  ['character varying', 'text'],
  ['jsonb', 'jsonb'],
]);

/** Types of which one value has one text. Of others, 1.0 and 1.00 say, a key may change its text and stay the same key. */
const ONE_TEXT = new Set(['pg_catalog.int2', 'pg_catalog.int4', 'pg_catalog.int8', 'pg_catalog.uuid']);

/**
 * Base type of a domain, the length of a varchar (its modifier less the 4 bytes of a header), and whether a unique index
 * is over the column: then an update has to lock out transactions that only refer to the row.
 */
const COLUMN = `
  SELECT format_type(coalesce(b.oid, t.oid), NULL), a.attgenerated,
         CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
         has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
         has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
         EXISTS (SELECT FROM pg_index i
                   JOIN pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = ANY (i.indkey::int2[])
                  WHERE i.indisunique AND x.attname = a.attname
                    AND (i.indrelid = a.attrelid
                         OR i.indrelid IN (SELECT relid FROM pg_partition_tree(a.attrelid::regclass))))
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
   WHERE a.attrelid = $1::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped`;

/**
 * Functions that a cast of the column's type to or from text would call, and that belong to a role other than the
 * user who logged in or a superuser: they would run with the rights of the current user, and decide what a context says.
 */
const FOREIGN_CASTS = `
  WITH RECURSIVE types AS (
    SELECT atttypid AS id FROM pg_attribute WHERE attrelid = $1::oid AND attname = $2
    UNION SELECT t.typbasetype FROM types JOIN pg_type t ON t.oid = types.id WHERE t.typbasetype <> 0)
  SELECT p.oid::regprocedure::text
    FROM types
    JOIN pg_cast c ON (c.castsource = types.id AND c.casttarget = 'text'::regtype)
                   OR (c.casttarget = types.id AND c.castsource = 'text'::regtype)
    JOIN pg_proc p ON p.oid = c.castfunc
    JOIN pg_roles r ON r.oid = p.proowner
   WHERE NOT r.rolsuper AND r.rolname <> session_user`;

/**
 * Functions of other roles that planning a query of the table may call: in an index, a CHECK or extended statistics of
 * the table or of a partition. They would run with the rights of the current user, and could bend its session.
 */
const FOREIGN_EXPRESSIONS = `
  WITH tree AS (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))
  SELECT p.oid::regprocedure::text
    FROM pg_depend d
    LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
    JOIN pg_roles r ON r.oid = p.proowner
   WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
     AND NOT r.rolsuper AND r.rolname <> session_user
     AND ((d.classid = 'pg_class'::regclass
           AND d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT id FROM tree)))
       OR (d.classid = 'pg_constraint'::regclass
           AND d.objid IN (SELECT oid FROM pg_constraint WHERE conrelid IN (SELECT id FROM tree)))
       OR (d.classid = 'pg_statistic_ext'::regclass
           AND d.objid IN (SELECT oid FROM pg_statistic_ext WHERE stxrelid IN (SELECT id FROM tree))))`;

/**
 * Opens a connection, looks the columns up in the catalog, and does `work` in the same transaction. Rejects with
 * `INVALID_COLUMN` for what cannot be read row by row by a key, or holds no ciphertext in a way that is known.
 */
export async function withColumns<T>(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  work: (session: Connection, columns: readonly Column[]) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const session = await Connection.open(database);
  try {
    const named: [ColumnSpec, string | undefined][] = [];
    for (const spec of specs) named.push([spec, await tableNamed(session, spec.table)]);
    const locks = new Map<string | undefined, string>();
    for (const [, id] of named) for (const lock of await lockOf(session, id)) locks.set(id, lock);
    return await session.transaction(async () => {
      // Before the first query: the snapshot must not be older than the lock, or old rows are read as the catalog is now.
      for (const lock of locks.values()) await session.change(lock);
      const locked = await lockedTables(session);
      for (const [spec, id] of named) if (locks.has(id) && !locked.has(id)) throw replaced(spec.table);
      const columns: Column[] = [];
      for (const [spec, id] of named)
        columns.push({ ...(await describeColumn(session, spec, id)), isLocked: locked.has(id) });
      return await work(session, columns);
    }, options);
  } finally {
    await session.close();
  }
}

/** `tableId`: what the name means to the connected user. Every further statement goes by this number. */
async function describeColumn(
  session: Connection,
  spec: ColumnSpec,
  tableId: string | undefined,
): Promise<Omit<Column, 'isLocked'>> {
  const context = contextTemplate(spec.toContext ?? spec.context ?? '');
  const from = contextTemplate(spec.context ?? '');
  const table = await lookUpTable(session, spec.table, tableId);
  const [found] = await session.rows(COLUMN, [table.id, spec.column]);
  if (found === undefined) throw invalid(`Table ${spec.table} has no column ${JSON.stringify(spec.column)}.`);
  const [type = '', generated, modifier, maySelect, mayUpdate, isIndexed] = found;
  const storage = STORAGES.get(type ?? '');
  if (storage === undefined) {
    throw invalid(
      `${spec.table}.${spec.column} is of type ${type ?? ''}: a ciphertext is kept in bytea, text, varchar or jsonb.`,
    );
  }
  if (spec.member !== undefined && storage !== 'jsonb') {
    throw invalid(`${spec.table}.${spec.column} is of type ${type ?? ''}: only a value of jsonb has members.`);
  }
  if (generated !== '')
    throw invalid(`${spec.table}.${spec.column} is a generated column: name the one that it is made of.`);
  if (maySelect !== 't') {
    throw invalid(
      `This user may not read ${spec.table}.${spec.column}: GRANT SELECT, UPDATE ON ${table.name} TO its role.`,
    );
  }
  const key = await lookUpKey(session, table.id, spec);
  if (key.some(({ name }) => name === spec.column)) {
    throw invalid(`${spec.table}.${spec.column} is part of the row's own key: a ciphertext cannot name its row.`);
  }
  await requireColumns(session, table.id, spec, context);
  await requireColumns(session, table.id, spec, from);
  await requireOwnCasts(session, table.id, spec, [...key.map(({ name }) => name), ...context.columns, ...from.columns]);
  await requireOwnExpressions(session, table.id, spec);
  // A policy's functions are not run for this; such a census never allows a retirement.
  if (!table.isSecured) await holdTable(session, table.id, table.name);
  const typeModifier = Number(modifier);
  return {
    spec,
    tableId: table.id,
    table: table.name,
    owner: table.owner,
    column: quoted(spec.column),
    key,
    storage,
    limit: type === 'character varying' && typeModifier > 4 ? typeModifier - 4 : undefined,
    context,
    fromContext: from.source === context.source ? undefined : from,
    triggers: await triggersOnUpdate(session, table.id, spec.column),
    estimatedRows: table.estimatedRows,
    unseen: table.unseen,
    mayUpdate: mayUpdate === 't',
    lock: isIndexed === 't' ? 'UPDATE' : 'NO KEY UPDATE',
    watched: [...new Set(context.columns)].filter(
      (name) => !key.some((one) => one.name === name && ONE_TEXT.has(one.type)),
    ),
  };
}

async function requireColumns(session: Connection, tableId: string, spec: ColumnSpec, template: ContextTemplate) {
  for (const name of template.columns) {
    const [found] = await session.rows(COLUMN, [tableId, name]);
    if (found === undefined) {
      throw invalid(`The context ${template.source} names {${name}}, which is no column of ${spec.table}.`);
    }
    if (name === spec.column) throw invalid(`The context ${template.source} names {${name}}, the ciphertext itself.`);
  }
}

/** Throws `INVALID_COLUMN` if a cast of one of these columns to or from text would call a function of another role. */
export async function requireOwnCasts(
  session: Connection,
  tableId: string,
  spec: ColumnSpec,
  names: readonly string[],
): Promise<void> {
  for (const name of new Set(names)) {
    const [found] = await session.rows(FOREIGN_CASTS, [tableId, name]);
    if (found === undefined) continue;
    throw invalid(
      `The type of ${spec.table}.${name} is cast to or from text by ${found[0] ?? ''}, a function of another role. It ` +
        'would run with your rights. Have its owner drop the cast, or run this as its owner.',
    );
  }
}

/** Throws `INVALID_COLUMN` if planning a query of the table would call a function of another role. */
export async function requireOwnExpressions(session: Connection, tableId: string, spec: ColumnSpec) {
  const [found] = await session.rows(FOREIGN_EXPRESSIONS, [tableId]);
  if (found === undefined) return;
  throw invalid(
    `An index, a CHECK or statistics of ${spec.table} call ${found[0] ?? ''}, a function of another role. It would run ` +
      'with your rights. Run this as its owner, or give the function to a superuser.',
  );
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', message);
}
