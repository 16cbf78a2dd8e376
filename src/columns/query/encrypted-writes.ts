import {
  AliasNode,
  AndNode,
  BinaryOperationNode,
  ColumnUpdateNode,
  DefaultInsertValueNode,
  IdentifierNode,
  OperationNodeTransformer,
  OperatorNode,
  ParensNode,
  PrimitiveValueListNode,
  ReferenceNode,
  ValueListNode,
  ValueNode,
  ValuesNode,
  type InsertQueryNode,
  type OnConflictNode,
  type OperationNode,
  type QueryId,
  type UpdateQueryNode,
} from 'kysely';
import { parameterOf, type EncryptedColumn } from '../encrypted-column.ts';
import {
  columnName,
  nameOf,
  plainName,
  writtenTable,
  type Columns,
  type Field,
  type QueryColumns,
} from './query-columns.ts';
import { isExcluded, refused } from './refuse-use.ts';

/** By `plainName`. */
type Row = Readonly<Record<string, unknown>>;

/** Replaces values of encrypted columns in inserts and updates by their ciphertexts, or throws `INVALID_COLUMN`. */
export class EncryptedWrites extends OperationNodeTransformer {
  readonly #columns: QueryColumns;

  constructor(columns: QueryColumns) {
    super();
    this.#columns = columns;
  }

  protected override transformInsertQuery(node: InsertQueryNode, queryId?: QueryId): InsertQueryNode {
    const insert = super.transformInsertQuery(node, queryId);
    const encrypted = this.#encryptedOf(insert.into);
    if (encrypted.size === 0) return insert;
    if (insert.onDuplicateKey !== undefined)
      throw refused('ON DUPLICATE KEY of a table with encrypted columns', 'Use onConflict.');
    if (insert.endModifiers !== undefined)
      throw refused('sql at the end of an insert into a table with encrypted columns', 'Use onConflict and returning.');
    const names = (insert.columns ?? []).map((column) => column.column.name);
    const { items, rows } = insertedRows(insert, names, encrypted);
    const onConflict = insert.onConflict && encryptedConflict(insert.onConflict, rows, encrypted);
    return {
      ...insert,
      ...(items.length === 0
        ? {}
        : {
            values: ValuesNode.create(items.map((item, at) => encryptedItem(item, names, rows[at] ?? {}, encrypted))),
          }),
      ...(onConflict === undefined ? {} : { onConflict }),
    };
  }

  protected override transformUpdateQuery(node: UpdateQueryNode, queryId?: QueryId): UpdateQueryNode {
    const update = super.transformUpdateQuery(node, queryId);
    const encrypted = this.#encryptedOf(update.table);
    if (encrypted.size === 0 || update.updates === undefined) return update;
    refuseMovedRows(update.updates, encrypted);
    const name = nameInQuery(update.table);
    const row = update.where === undefined ? {} : Object.fromEntries(equalities(update.where.where, name));
    const how = (keys: readonly string[]) =>
      `Update one row at a time, with ${keys.map((key) => `where('${key}', '=', …)`).join(' and ')}: each row's value has a ciphertext of its own.`;
    return { ...update, updates: update.updates.map((one) => encryptedUpdate(one, row, encrypted, how)) };
  }

  /** The encrypted columns of the table that a statement writes to. MERGE has no table here: it is refused before. */
  #encryptedOf(target: OperationNode | undefined): Columns {
    if (target === undefined) return new Map<string, Field>();
    const table = writtenTable(target);
    if (table !== undefined) return this.#columns.ofTable(table);
    throw refused('a table that is sql or one of several', 'Name the one table that is written to.');
  }
}

type Item = PrimitiveValueListNode | ValueListNode;

/** The rows of an insert; none where a SELECT chooses them, which must not name an encrypted column. */
function insertedRows(
  { values }: InsertQueryNode,
  names: readonly string[],
  encrypted: Columns,
): { readonly items: readonly Item[]; readonly rows: readonly Row[] } {
  if (values !== undefined && ValuesNode.is(values))
    return { items: values.values, rows: values.values.map((item) => rowOf(names, item)) };
  if (values !== undefined && (names.length === 0 || names.some((name) => encrypted.has(plainName(name)))))
    throw refused('INSERT … SELECT into an encrypted column', 'Insert the values themselves: values({ … }).');
  return { items: [], rows: [] };
}

function encryptedItem(item: Item, names: readonly string[], row: Row, encrypted: Columns): Item {
  const how = (keys: readonly string[]) =>
    `Insert ${keys.join(' and ')} with the row: make the key first (crypto.randomUUID()) if the database would generate it.`;
  const cellOfColumn = (name: string, value: unknown) => {
    const column = encrypted.get(plainName(name))?.column;
    return column === undefined ? value : cell(column, value, row, how);
  };
  if (PrimitiveValueListNode.is(item))
    return PrimitiveValueListNode.create(item.values.map((value, index) => cellOfColumn(names[index] ?? '', value)));
  return ValueListNode.create(
    item.values.map((node, index) => {
      const name = names[index] ?? '';
      if (!encrypted.has(plainName(name)) || DefaultInsertValueNode.is(node)) return node;
      return ValueNode.create(cellOfColumn(name, valueOf(node, name)));
    }),
  );
}

/** A value that goes into the row which exists already. Its context is the same if the conflict is about its columns. */
function encryptedConflict(node: OnConflictNode, rows: readonly Row[], encrypted: Columns): OnConflictNode {
  if (node.updates === undefined) return node;
  refuseMovedRows(node.updates, encrypted);
  const keys = new Set((node.columns ?? []).map((column) => plainName(column.column.name)));
  const [row = {}, second] = rows;
  return {
    ...node,
    updates: node.updates.map((update) => {
      const name = updatedColumn(update);
      const column = encrypted.get(plainName(name))?.column;
      if (column === undefined) return update;
      if (!column.rowColumns.every((key) => keys.has(plainName(key))))
        throw refused(
          `onConflict of other columns than ${column.rowColumns.join(' and ')} to update ${name}`,
          'The row that exists has another context than the one that was to be inserted. Look it up and update it.',
        );
      if (isExcluded(update.value, name)) return update;
      if (second !== undefined && column.rowColumns.length > 0)
        throw refused(`one value of ${name} for the conflicts of several rows`, `Set it to excluded.${name}.`);
      const how = () => 'The inserted row is not given as values. Look the row up and update it.';
      return encryptedUpdate(update, row, encrypted, how);
    }),
  };
}

function encryptedUpdate(
  update: ColumnUpdateNode,
  row: Row,
  encrypted: Columns,
  how: (keys: readonly string[]) => string,
): ColumnUpdateNode {
  const name = updatedColumn(update);
  const column = encrypted.get(plainName(name))?.column;
  if (column === undefined) return update;
  const value = cell(column, valueOf(update.value, name), row, how);
  return ColumnUpdateNode.create(update.column, ValueNode.create(value));
}

function cell(
  column: EncryptedColumn<unknown>,
  value: unknown,
  row: Row,
  how: (keys: readonly string[]) => string,
): unknown {
  if (value === null || value === undefined) return value;
  const { rowColumns } = column;
  const isNamedAlike = rowColumns.every((key) => key === plainName(key));
  const keys = isNamedAlike ? row : Object.fromEntries(rowColumns.map((key) => [key, row[plainName(key)]]));
  const context = column.contextToWrite(keys, () => how(rowColumns));
  return parameterOf(column.encrypt(value, context), column.storage);
}

function refuseMovedRows(updates: readonly ColumnUpdateNode[], encrypted: Columns): void {
  const changed = new Set(updates.map((update) => plainName(updatedColumn(update))));
  for (const { name, column } of encrypted.values()) {
    const key = column.rowColumns.find((one) => changed.has(plainName(one)));
    if (key !== undefined)
      throw refused(
        `a new ${key} for a row whose ${name} is encrypted under the old one`,
        'Read the row, insert it under the new key, and delete the old one.',
      );
  }
}

function rowOf(names: readonly string[], item: Item): Row {
  const values = PrimitiveValueListNode.is(item)
    ? item.values
    : item.values.map((node) => (ValueNode.is(node) ? node.value : undefined));
  // A loop, since this runs for each row. A plain name has no underscore, so it is not __proto__.
  const row: Record<string, unknown> = {};
  for (let index = 0; index < names.length; index += 1) row[plainName(names[index] ?? '')] = values[index];
  return row;
}

function valueOf(node: OperationNode, name: string): unknown {
  if (ValueNode.is(node)) return node.value;
  throw refused(`an expression as the value of the encrypted column ${name}`, 'Give the value itself.');
}

/** What a condition says about single columns of the table: `id = 7`, also among others that all must hold. */
function equalities(condition: OperationNode, table: string | undefined): readonly (readonly [string, unknown])[] {
  if (ParensNode.is(condition)) return equalities(condition.node, table);
  if (AndNode.is(condition)) return [...equalities(condition.left, table), ...equalities(condition.right, table)];
  if (!BinaryOperationNode.is(condition)) return [];
  const { leftOperand, operator, rightOperand } = condition;
  const name = columnName(leftOperand);
  const isOfTable =
    !ReferenceNode.is(leftOperand) || leftOperand.table === undefined || nameOf(leftOperand.table) === table;
  if (name === undefined || !isOfTable || !ValueNode.is(rightOperand)) return [];
  return OperatorNode.is(operator) && operator.operator === '=' ? [[plainName(name), rightOperand.value]] : [];
}

function updatedColumn({ column }: ColumnUpdateNode): string {
  const name = columnName(column);
  if (name !== undefined) return name;
  throw refused('a column that is sql, in a table with encrypted columns', 'Name the column: set({ … }).');
}

function nameInQuery(node: OperationNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  return AliasNode.is(node) && IdentifierNode.is(node.alias) ? node.alias.name : writtenTable(node);
}
