import type {
  KyselyPlugin,
  PluginTransformQueryArgs,
  PluginTransformResultArgs,
  QueryResult,
  RootOperationNode,
  UnknownRow,
} from 'kysely';
import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { EncryptedColumn } from './encrypted-column.ts';
import { refuseUse } from './query/refuse-use.ts';
import { plainName, QueryColumns, type Columns, type ResultField, type Tables } from './query/query-columns.ts';
import { EncryptedWrites } from './query/encrypted-writes.ts';

export { encryptedBytes, encryptedJson, encryptedText } from './column-builders.ts';
export { UnreadableColumnError, type ColumnRing, type ColumnStorage } from './encrypted-column.ts';
export type { EncryptedColumnOptions } from './encrypted-column.ts';
export type { EncryptedColumn };

export type EncryptedTables<Database> = {
  readonly [Table in keyof Database]?: {
    readonly [Column in keyof Database[Table]]?: EncryptedColumn<unknown>;
  };
};

type AnyTables = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * Encrypts and decrypts columns by table and name: `db.withPlugin(new EncryptedColumns<Database>({ patients: { notes:
 * encryptedText({ ring, context: 'patients:{id}:notes' }) } }))`. `Database` is optional; with it, a misspelt name does not
 * compile.
 *
 * The interface of the database declares what the application sees, `notes: string | null`. A context of the row needs
 * its columns in the query: insert them, select them, or update with `where('id', '=', id)`. A query that would return or
 * compare a ciphertext is refused with `INVALID_COLUMN`. The plugin does not see into `sql` fragments. Reading waits for a
 * key that is not cached.
 */
export class EncryptedColumns<Database = AnyTables> implements KyselyPlugin {
  readonly #tables: Tables;
  readonly #fieldsOf = new WeakMap<object, readonly ResultField[]>();

  constructor(tables: EncryptedTables<Database>) {
    // What Database says of the names is known to the compiler only.
    const byName = tables as EncryptedTables<AnyTables>;
    const known = new Map<string, Columns>();
    for (const [table, columns = {}] of Object.entries(byName)) {
      // In queries, the schema of public.patients is no part of the table's name.
      const name = plainName(table.slice(table.lastIndexOf('.') + 1));
      if (known.has(name)) throw ofTwoTables(table);
      const fields = Object.entries(columns).flatMap(([name, column]) =>
        column === undefined ? [] : [[plainName(name), { name, column }] as const],
      );
      known.set(name, new Map(fields));
    }
    this.#tables = known;
  }

  transformQuery({ node, queryId }: PluginTransformQueryArgs): RootOperationNode {
    const columns = new QueryColumns(node, this.#tables);
    if (columns.isEmpty) return node;
    refuseUse(node, columns);
    const plan: unknown = Reflect.get(node, 'explain');
    if (plan === undefined) this.#fieldsOf.set(queryId, columns.resultFields(node));
    return new EncryptedWrites(columns).transformNode(node);
  }

  async transformResult({ result, queryId }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    const fields = this.#fieldsOf.get(queryId) ?? [];
    if (fields.length === 0) return result;
    // In place, as Kysely's own plugins do it: a second row beside each is more for the garbage collector.
    const { rows } = result;
    const waiting: Promise<void>[] = [];
    try {
      for (const field of fields) decrypt(rows, field, waiting);
    } catch (error) {
      // A rejection that no one awaits would end the process.
      await Promise.allSettled(waiting);
      throw error;
    }
    await Promise.all(waiting);
    return result;
  }
}

function decrypt(rows: readonly UnknownRow[], field: ResultField, waiting: Promise<void>[]): void {
  const [first] = rows;
  const name = first && memberOf(first, field.name);
  if (first === undefined || (name === undefined && !field.isNamed)) return;
  if (name === undefined) throw notInResult(field.name);
  const { column } = field;
  const how = () => `Select ${column.rowColumns.join(' and ')} beside ${name}.`;
  const members = column.rowColumns.map((key) => [key, memberOf(first, key) ?? key] as const);
  const isRenamed = members.some(([key, member]) => key !== member);
  for (const row of rows) {
    const cell = row[name];
    if (cell === null || cell === undefined) continue;
    const keys = isRenamed ? Object.fromEntries(members.map(([key, member]) => [key, row[member]])) : row;
    const context = column.contextOfRow(keys, how);
    try {
      row[name] = column.decryptSync(cell, context);
    } catch (error) {
      if (!isKeyRotationError(error, 'KEY_UNAVAILABLE')) throw error;
      waiting.push(decryptLater(row, name, column.decrypt(cell, context)));
    }
  }
}

async function decryptLater(row: UnknownRow, name: string, value: Promise<unknown>): Promise<void> {
  row[name] = await value;
}

/** What a column is called in the result, which CamelCasePlugin may have renamed. */
function memberOf(row: UnknownRow, name: string): string | undefined {
  if (Object.hasOwn(row, name)) return name;
  const [member, second] = Object.keys(row).filter((one) => plainName(one) === plainName(name));
  return second === undefined ? member : undefined;
}

function ofTwoTables(table: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    `The configuration has two tables of the name ${JSON.stringify(table)}, as the plugin compares it: without its schema, ` +
      'case and underscores. Configure one of them, and encrypt in the other with the ring itself.',
  );
}

function notInResult(name: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    `The result of the query has no column ${name}, which is to be decrypted. Correct its name in the configuration; if ` +
      'another plugin renames it, put EncryptedColumns before that plugin.',
  );
}
