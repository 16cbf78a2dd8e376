import { KeyRotationError } from '../format/error.ts';
import type { Storage } from './stored-value.ts';
import type { Column, ColumnSpec, KeyColumn } from './column.ts';
import { contextTemplate, type ContextTemplate } from './context-template.ts';
import { DatabaseFailure } from './database-error.ts';
import { Connection, quoted, type DatabaseAddress } from './database.ts';
import { triggersOnUpdate } from './triggers.ts';

const STORAGES: ReadonlyMap<string, Storage> = new Map([
  ['bytea', 'bytea'],
  ['text', 'text'],
  ['varchar', 'text'],
  ['jsonb', 'jsonb'],
]);

const TABLE = `
  SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind,
         CASE c.relkind
           WHEN 'p' THEN (SELECT CASE WHEN min(leaf.reltuples) >= 0 THEN sum(leaf.reltuples) END
                            FROM pg_partition_tree(c.oid) part JOIN pg_class leaf ON leaf.oid = part.relid
                           WHERE part.isleaf)
           ELSE CASE WHEN c.reltuples > 0 THEN c.reltuples END END,
         pg_is_in_recovery(),
         row_security_active(c.oid),
         EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = to_regclass($1)`;

/** SQLSTATEs with which PostgreSQL refuses a text that is no name of a table in this database. */
const NO_NAME = new Set(['42601', '42602', '0A000']);

/** Types of which one value has one text. Of others, 1.0 and 1.00 say, a key may change its text and stay the same key. */
const ONE_TEXT = new Set(['smallint', 'integer', 'bigint', 'uuid']);

/**
 * Base type of a domain, the length of a varchar (its modifier less the 4 bytes of a header), and whether a unique index
 * is over the column, for then an update has to lock out those who only refer to the row.
 */
const COLUMN = `
  SELECT coalesce(b.typname, t.typname), a.attgenerated,
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

/** Unique indexes over plain columns that are never NULL, which therefore name every row; the primary key first. */
const KEYS = `
  SELECT i.indexrelid, a.attname, format_type(a.atttypid, a.atttypmod), i.indisprimary
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
   WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     AND k.n <= i.indnkeyatts
     AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS o(attnum, n)
                       JOIN pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = o.attnum
                      WHERE o.n <= i.indnkeyatts AND NOT x.attnotnull)
   ORDER BY i.indisprimary DESC, i.indexrelid, k.n`;

/** Opens a connection, looks the columns up, and closes the connection once `work` is settled. Rejects as `lookUpColumn` does. */
export async function withColumns<T>(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  work: (session: Connection, columns: readonly Column[]) => Promise<T>,
): Promise<T> {
  const session = await Connection.open(database);
  try {
    const columns: Column[] = [];
    for (const spec of specs) columns.push(await lookUpColumn(session, spec));
    return await work(session, columns);
  } finally {
    await session.close();
  }
}

/**
 * Looks a column up in the catalog. Throws `INVALID_COLUMN` for what cannot be read row by row by a key, or holds no
 * ciphertext in a way that is known.
 */
export async function lookUpColumn(session: Connection, spec: ColumnSpec): Promise<Column> {
  const context = contextTemplate(spec.toContext ?? spec.context ?? '');
  const from = contextTemplate(spec.context ?? '');
  const table = await lookUpTable(session, spec.table);
  const [found] = await session.rows(COLUMN, [table.id, spec.column]);
  if (found === undefined) throw invalid(`Table ${spec.table} has no column ${JSON.stringify(spec.column)}.`);
  const [type = '', generated, modifier, maySelect, mayUpdate, isIndexed] = found;
  const storage = STORAGES.get(type ?? '');
  if (storage === undefined) {
    throw invalid(
      `${spec.table}.${spec.column} is of type ${type ?? ''}: a ciphertext is kept in bytea, text, varchar or jsonb.`,
    );
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
  const typeModifier = Number(modifier);
  return {
    spec,
    tableId: table.id,
    table: table.name,
    column: quoted(spec.column),
    key,
    storage,
    limit: type === 'varchar' && typeModifier > 4 ? typeModifier - 4 : undefined,
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

async function lookUpTable(session: Connection, name: string) {
  const [found] = await session.rows(TABLE, [name]).catch((error: unknown) => {
    if (!(error instanceof DatabaseFailure) || !NO_NAME.has(error.state ?? '')) throw error;
    throw invalid(
      `${JSON.stringify(name)} is no name of a table as SQL writes it: patients, clinic.patients, '"Patients"'.`,
    );
  });
  if (found === undefined) {
    throw invalid(
      `There is no table ${name} in this database, or not on the search path: name its schema too (clinic.patients).`,
    );
  }
  const [id, table, kind, tuples, isReplica, isSecured, hasChildren] = found;
  if (id == null || table == null) throw invalid(`The catalog did not describe ${name}.`);
  if (kind !== 'r' && kind !== 'p')
    throw invalid(`${name} is no table (a view, say): name the table that holds the rows.`);
  if (kind === 'r' && hasChildren === 't') {
    throw invalid(`${name} has child tables by inheritance, whose keys may repeat: name each of them.`);
  }
  const unseen: string[] = [];
  if (isReplica === 't') unseen.push('this server is a replica, which may lack the latest rows');
  if (isSecured === 't') unseen.push(`row security hides rows of ${name} from this user`);
  return { id, name: table, unseen, estimatedRows: tuples == null ? undefined : Number(tuples) };
}

async function lookUpKey(session: Connection, tableId: string, spec: ColumnSpec): Promise<readonly KeyColumn[]> {
  const indexes = new Map<string, KeyColumn[]>();
  let primary: KeyColumn[] | undefined;
  for (const [index, name, type, isPrimary] of await session.rows(KEYS, [tableId])) {
    if (index == null || name == null || type == null) continue;
    const columns = indexes.get(index) ?? [];
    columns.push({ name, type });
    indexes.set(index, columns);
    if (isPrimary === 't') primary = columns;
  }
  if (spec.key === undefined) {
    if (primary !== undefined) return primary;
    throw invalid(`${spec.table} has no primary key: name columns with a unique index, none of them nullable (--key).`);
  }
  const wanted = [...spec.key].sort().join('\0');
  for (const columns of indexes.values()) {
    if (
      columns
        .map(({ name }) => name)
        .sort()
        .join('\0') === wanted
    )
      return columns;
  }
  throw invalid(
    `No unique index of ${spec.table} is over just ${spec.key.join(', ')} with none of them nullable, so they do not name a row.`,
  );
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

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', message);
}
