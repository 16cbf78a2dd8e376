import { KeyRotationError } from '../../format/error.ts';
import { hasOneText, sharesRows, type Column, type ColumnSpec } from './column.ts';
import { contextTemplate, type ContextTemplate } from '../../format/context-template.ts';
import { Connection, quoted, type DatabaseAddress, type TransactionOptions } from '../connection/database.ts';
import { generatedColumns } from './derived-columns.ts';
import { requireOwnCode } from './foreign-code.ts';
import { lookUpKey } from './look-up-key.ts';
import { holdTable, lockOf, lookUpTable, tableNamed } from './look-up-table.ts';
import { lockedTables, replaced } from './table-locks.ts';
import { serverTextOf } from '../connection/server-text.ts';
import type { Storage } from '../stored-value.ts';
import { triggersOnUpdate } from './triggers.ts';

const STORAGES: ReadonlyMap<string, Storage> = new Map([
  ['bytea', 'bytea'],
  ['text', 'text'],
  ['character varying', 'text'],
  ['character', 'text'],
  ['jsonb', 'jsonb'],
]);

/**
 * Base type under all domains, the length of a varchar or char (its modifier less the 4 bytes of a header), and whether a
 * unique index is over the column: then an update has to lock out transactions that only refer to the row.
 */
const COLUMNS = `
  SELECT wanted.name, base.type, a.attgenerated, base.modifier,
         has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
         has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
         EXISTS (SELECT FROM pg_index i
                   JOIN pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = ANY (i.indkey::int2[])
                  WHERE i.indisunique AND x.attname = a.attname
                    AND (i.indrelid = a.attrelid
                         OR i.indrelid IN (SELECT relid FROM pg_partition_tree(a.attrelid::regclass)))),
         a.attnum,
         coalesce(nullif(array_to_string(ARRAY(SELECT relid::oid FROM pg_partition_ancestors(a.attrelid::regclass)), ' '), ''),
                  a.attrelid::text)
    FROM json_array_elements_text($2::json) wanted(name)
    JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attname = wanted.name AND a.attnum > 0 AND NOT a.attisdropped
   CROSS JOIN LATERAL (
      WITH RECURSIVE under(type, modifier) AS (
        SELECT a.atttypid, a.atttypmod
         UNION ALL
        SELECT t.typbasetype, t.typtypmod FROM under JOIN pg_type t ON t.oid = under.type AND t.typtype = 'd')
      SELECT format_type(t.oid, NULL) AS type, under.modifier
        FROM under JOIN pg_type t ON t.oid = under.type WHERE t.typtype <> 'd') base`;

/** Types whose text depends on settings of a session, and arrays of these. */
const SPELLED_BY_SETTINGS = /^(?:interval|money|date|timestamp with.*|real|double precision|bytea)(?:\[\])?$/;

export interface LookUpOptions extends TransactionOptions {
  /** Is given the numbers of the tables, before they are locked and the snapshot is taken. */
  readonly beforeLock?: (session: Connection, tableIds: readonly string[]) => Promise<void>;
}

/** Does `work` in the transaction that looks the columns up. Rejects with `INVALID_COLUMN` for what no key leads to. */
export function withColumns<T>(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  work: (session: Connection, columns: readonly Column[]) => Promise<T>,
  { beforeLock, ...options }: LookUpOptions = {},
): Promise<T> {
  return Connection.during(database, async (session) => {
    const named: [ColumnSpec, string | undefined][] = [];
    for (const spec of specs) named.push([spec, await tableNamed(session, spec.table)]);
    await beforeLock?.(session, [...new Set(named.flatMap(([, id]) => id ?? []))]);
    const locks = new Map<string | undefined, string>();
    for (const [, id] of named) for (const lock of await lockOf(session, id)) locks.set(id, lock);
    return session.transaction(async () => {
      // Before the first query: the snapshot must not be older than the lock, or old rows are read as the catalog is now.
      for (const lock of locks.values()) await session.change(lock);
      const locked = await lockedTables(session);
      for (const [spec, id] of named) if (locks.has(id) && !locked.has(id)) throw replaced(spec.table);
      const described: Described[] = [];
      for (const [spec, id] of named)
        described.push({ ...(await describeColumn(session, spec, id)), isLocked: locked.has(id) });
      return work(
        session,
        described.map((column) => ({ ...column, ...besides(column, described) })),
      );
    }, options);
  });
}

/** A column without what the rest of the list says of it. */
type Described = Omit<Column, BesidesName>;
type BesidesName = 'members' | 'otherContexts' | 'otherValues';

function besides(column: Described, all: readonly Described[]): Pick<Column, BesidesName> {
  const others = all.filter((one) => sharesRows(one, column) && one.spec !== column.spec);
  const own = new Set([...column.key.filter(hasOneText).map(({ name }) => name), ...column.watched]);
  const named = others.flatMap(({ context, fromContext }) => [...context.columns, ...(fromContext?.columns ?? [])]);
  return {
    members: all
      .filter((one) => sharesRows(one, column) && one.column === column.column)
      .map(({ spec }) => spec.member),
    otherContexts: [...new Set(named)].filter((name) => !own.has(name)),
    otherValues: others.map(({ spec, storage, column: name }) => ({ spec, storage, column: name })),
  };
}

/** `tableId`: what the name means to the connected user. Every further statement goes by this number. */
async function describeColumn(
  session: Connection,
  spec: ColumnSpec,
  tableId: string | undefined,
): Promise<Omit<Described, 'isLocked'>> {
  const context = contextTemplate(spec.toContext ?? spec.context ?? '');
  const from = contextTemplate(spec.context ?? '');
  const table = await lookUpTable(session, spec.table, tableId);
  const names = [...new Set([spec.column, ...context.columns, ...from.columns])];
  const columns = new Map(
    (await session.rows(COLUMNS, [table.id, JSON.stringify(names)])).map(([name, ...found]) => [name, found]),
  );
  const found = columns.get(spec.column);
  if (found === undefined)
    throw invalid(`Table ${spec.table} has no column ${JSON.stringify(spec.column)}.${lengthHint(spec.column)}`);
  const [type = '', generated, modifier, maySelect, mayUpdate, isIndexed, number, ancestors] = found;
  const storage = STORAGES.get(type ?? '');
  if (storage === undefined) {
    throw invalid(
      `${spec.table}.${spec.column} is of type ${type ?? ''}: a ciphertext is kept in bytea, text, varchar, char or jsonb.` +
        (type === 'json' ? ` Change its type first: ${toJsonb(table.name, spec.column)}` : ''),
    );
  }
  if (spec.member !== undefined && storage !== 'jsonb') {
    throw invalid(`${spec.table}.${spec.column} is of type ${type ?? ''}: only a value of jsonb has members.`);
  }
  if (generated !== '')
    throw invalid(`${spec.table}.${spec.column} is a generated column: name the one that it is made of.`);
  if (maySelect !== 't') {
    throw invalid(
      `This user may not read ${spec.table}.${spec.column}: GRANT SELECT ON ${table.name} TO its role (reencrypt also needs UPDATE).`,
    );
  }
  const server = await serverTextOf(session);
  if (server !== undefined && /[^\0-\x7f]/.test(spec.member ?? '')) {
    throw invalid(
      `In a database in ${server.encoding}, a member must have a name in ASCII: ${JSON.stringify(spec.member)}.`,
    );
  }
  const key = await lookUpKey(session, table.id, spec);
  if (key.some(({ name }) => name === spec.column)) {
    throw invalid(`${spec.table}.${spec.column} is part of the row's own key: a ciphertext cannot name its row.`);
  }
  for (const template of [context, from]) {
    requireColumns(columns, spec, template);
    const alias = key.find(({ name, isAlias }) => isAlias && template.columns.includes(name));
    if (alias !== undefined)
      throw invalid(
        `The context ${template.source} names {${alias.name}}, a key column of ${spec.table} whose text depends on search_path ` +
          'and on names of other objects (regclass or the like). Name a unique index of other columns (--key), and make it ' +
          'first if the table lacks one.',
      );
  }
  const mayGainCode = await requireOwnCode(session, table.id, spec);
  // A policy's functions are not run for this; such a census never allows a retirement.
  if (!table.isSecured) await holdTable(session, table.id, table.name, table.ownRows);
  const { derived, computed } = await generatedColumns(session, table.id, spec.column);
  const typeModifier = Number(modifier);
  return {
    spec,
    tableId: table.id,
    ancestors: ancestors?.split(' ') ?? [table.id],
    table: table.name,
    ownRows: table.ownRows,
    owner: table.owner,
    schemaVersion: table.schemaVersion,
    column: quoted(spec.column),
    columnNumber: Number(number),
    key,
    storage,
    server,
    limit: storage === 'text' && typeModifier > 4 ? typeModifier - 4 : undefined,
    context,
    spelled: [...columns].flatMap(([name, [type]]) =>
      name != null && name !== spec.column && SPELLED_BY_SETTINGS.test(type ?? '') ? [`${name} (${type ?? ''})`] : [],
    ),
    fromContext: from.source === context.source ? undefined : from,
    triggers: await triggersOnUpdate(session, table.id, [spec.column, ...derived]),
    derived,
    computed,
    estimatedRows: table.estimatedRows,
    unseen: table.unseen,
    mayUpdate: mayUpdate === 't',
    mayGainCode,
    lock: isIndexed === 't' ? 'UPDATE' : 'NO KEY UPDATE',
    watched: [...new Set(context.columns)].filter((name) => !key.some((one) => one.name === name && hasOneText(one))),
  };
}

/** A json value keeps several members of one name, of which a count would see only the last. */
function toJsonb(table: string, column: string): string {
  return `ALTER TABLE ${table} ALTER COLUMN ${quoted(column)} TYPE jsonb USING ${quoted(column)}::jsonb`;
}

/** `columns`: those that are there, by name. */
function requireColumns(columns: ReadonlyMap<unknown, unknown>, spec: ColumnSpec, template: ContextTemplate): void {
  for (const name of template.columns) {
    if (!columns.has(name)) {
      throw invalid(
        `The context ${template.source} names {${name}}, which is not a column of ${spec.table}.${lengthHint(name)}`,
      );
    }
    if (name === spec.column) throw invalid(`The context ${template.source} names {${name}}, the ciphertext itself.`);
  }
}

/** As PostgreSQL is built, unless its NAMEDATALEN was changed. */
const MOST_NAME_BYTES = 63;

function lengthHint(name: string): string {
  return Buffer.byteLength(name) > MOST_NAME_BYTES ? ` PostgreSQL keeps ${MOST_NAME_BYTES} bytes of a name.` : '';
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', message);
}
