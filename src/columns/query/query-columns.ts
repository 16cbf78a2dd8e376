import {
  AggregateFunctionNode,
  AliasNode,
  ColumnNode,
  CommonTableExpressionNode,
  FunctionNode,
  IdentifierNode,
  InsertQueryNode,
  ListNode,
  PrimitiveValueListNode,
  RawNode,
  ReferenceNode,
  SelectAllNode,
  SelectQueryNode,
  TableNode,
  UpdateQueryNode,
  ValueNode,
  ValuesNode,
  type OperationNode,
  type SelectionNode,
} from 'kysely';
import { KeyRotationError } from '../../format/error.ts';
import type { EncryptedColumn } from '../encrypted-column.ts';

/** The encrypted columns of a table, and of all tables, by `plainName`. */
export type Columns = ReadonlyMap<string, Field>;
export type Tables = ReadonlyMap<string, Columns>;

/** An encrypted column with its name in the configuration or, where a query names it, in that query. */
export interface Field {
  readonly name: string;
  readonly column: EncryptedColumn<unknown>;
}

/** A name as every spelling of it has it: CamelCasePlugin changes `medical_notes` to `medicalNotes` and back. */
export function plainName(name: string): string {
  const known = PLAIN_NAMES.get(name);
  if (known !== undefined) return known;
  // Names come from the code of an application, which has few. Where they do not, they are not kept for ever.
  if (PLAIN_NAMES.size >= 1000) PLAIN_NAMES.clear();
  const plain = name.replaceAll('_', '').toLowerCase();
  PLAIN_NAMES.set(name, plain);
  return plain;
}

/** Each row of an insert asks for the same names again. */
const PLAIN_NAMES = new Map<string, string>();

/** A member of a result that is to be decrypted. */
export interface ResultField extends Field {
  /** Whether the query names it, or all columns of its table, so that each row has it. */
  readonly isNamed: boolean;
}

/** The encrypted columns that a query can name: those of every table in it. */
export class QueryColumns {
  readonly #tables: Tables;
  /** The table of each name in the query; `undefined` for a name of two. A name of a subquery or of `with` is not among them. */
  readonly #tableOf = new Map<string, string | undefined>();
  readonly #present: readonly string[];
  readonly #namesOfWith = new Set<string>();
  #writesToUnknown = false;

  constructor(query: OperationNode, tables: Tables) {
    this.#tables = tables;
    const present = new Set<string>();
    this.#collect(query, present);
    for (const [name, table] of this.#tableOf)
      if (table !== undefined && this.#namesOfWith.has(table)) this.#tableOf.set(name, undefined);
    this.#present = [...present].filter((table) => this.#tables.has(plainName(table)));
  }

  /** Whether no table of the query has an encrypted column. A table that is `sql` may have one. */
  get isEmpty(): boolean {
    return this.#present.length === 0 && !this.#writesToUnknown;
  }

  /** The encrypted columns of a table by its own name: a statement writes to no alias, nor to a name of WITH. */
  ofTable(table: string): Columns {
    return this.#tables.get(plainName(table)) ?? new Map<string, Field>();
  }

  /** The encrypted column that a node names, with its name; `undefined` for any other node. */
  named(node: OperationNode): Field | undefined {
    if (ColumnNode.is(node)) return this.#field(node.column.name, undefined);
    if (!ReferenceNode.is(node) || !ColumnNode.is(node.column)) return undefined;
    return this.#field(node.column.column.name, node.table && nameOf(node.table));
  }

  /** Whether `*` or `table.*` takes encrypted columns in. */
  all(node: OperationNode): readonly Field[] {
    const isOfTable = ReferenceNode.is(node) && SelectAllNode.is(node.column);
    if (!isOfTable && !SelectAllNode.is(node)) return [];
    const table = isOfTable && node.table !== undefined ? nameOf(node.table) : undefined;
    const known = table === undefined ? undefined : this.#tableOf.get(table);
    const names = (known === undefined ? this.#present : [known]).flatMap((one) => [
      ...Array.from(this.ofTable(one).values(), (field) => field.name),
    ]);
    return [...new Set(names)].flatMap((name) => this.#field(name, table) ?? []);
  }

  /** The encrypted columns that a row may have, by the name of its table, subquery or WITH in the query. */
  ofRow(name: string): readonly Field[] {
    const known = this.#tableOf.get(name);
    return (known === undefined ? this.#present : [known]).flatMap((table) => [...this.ofTable(table).values()]);
  }

  /** What is to be decrypted in the rows of a query's result. `*` of a subquery may have the column or not. */
  resultFields(query: OperationNode): readonly ResultField[] {
    const fields = new Map<string, ResultField | undefined>();
    const isNamed = hasOnlyTables(query);
    for (const { selection } of selectionsOf(query)) {
      const column = AliasNode.is(selection) ? selection.node : selection;
      for (const field of this.all(column)) fields.set(plainName(field.name), { ...field, isNamed });
      const name = columnName(column);
      const field = name === undefined ? undefined : this.named(column);
      if (name !== undefined) fields.set(plainName(name), field && { ...field, isNamed: true });
    }
    return [...fields.values()].filter((field) => field !== undefined);
  }

  #field(name: string, table: string | undefined): Field | undefined {
    const known = table === undefined ? undefined : this.#tableOf.get(table);
    const places = known === undefined ? this.#present : [known];
    const [field, second] = places.flatMap((place) => this.ofTable(place).get(plainName(name)) ?? []);
    if (field !== undefined && second !== undefined)
      throw new KeyRotationError(
        'INVALID_COLUMN',
        `Two tables of the query have an encrypted column ${JSON.stringify(name)}. Name the table beside the column, ` +
          'and select one of the two only.',
      );
    return field && { name, column: field.column };
  }

  #collect(node: OperationNode, present: Set<string>): void {
    if (CommonTableExpressionNode.is(node)) this.#namesOfWith.add(nameOf(node.name.table));
    if (UpdateQueryNode.is(node) && node.table !== undefined && writtenTable(node.table) === undefined)
      this.#writesToUnknown = true;
    if (AliasNode.is(node) && TableNode.is(node.node) && IdentifierNode.is(node.alias)) {
      this.#add(node.alias.name, nameOf(node.node), present);
      return;
    }
    if (TableNode.is(node)) this.#add(nameOf(node), nameOf(node), present);
    // The table in front of a column, or in a function, is a name of the query, which may be that of a subquery.
    const isNamed = ReferenceNode.is(node) || FunctionNode.is(node) || AggregateFunctionNode.is(node);
    for (const child of childrenOf(node)) if (!isNamed || !TableNode.is(child)) this.#collect(child, present);
  }

  #add(name: string, table: string, present: Set<string>): void {
    const isOfTwo = this.#tableOf.has(name) && this.#tableOf.get(name) !== table;
    this.#tableOf.set(name, isOfTwo ? undefined : table);
    present.add(table);
  }
}

export function nameOf(table: TableNode): string {
  return table.table.identifier.name;
}

/** The table that a statement writes to, whatever it is called there; `undefined` where `sql` hides it. */
export function writtenTable(node: OperationNode): string | undefined {
  if (TableNode.is(node)) return nameOf(node);
  if (AliasNode.is(node)) return writtenTable(node.node);
  const [only, ...others] = ListNode.is(node) ? node.items : tablesOfSql(node);
  return only === undefined || others.length > 0 ? undefined : writtenTable(only);
}

/** `sql.table('patients')` alone. */
function tablesOfSql(node: OperationNode): readonly OperationNode[] {
  return RawNode.is(node) && node.sqlFragments.every((text) => text.trim() === '') ? node.parameters : [];
}

/** The name of a column that stands alone. */
export function columnName(node: OperationNode): string | undefined {
  const column = ReferenceNode.is(node) ? node.column : node;
  return ColumnNode.is(column) ? column.column.name : undefined;
}

/** The nodes in a node. What the application gives as a value is not a node, whatever its members. */
export function childrenOf(node: OperationNode): readonly OperationNode[] {
  if (ValueNode.is(node) || PrimitiveValueListNode.is(node)) return [];
  if (ValuesNode.is(node)) return node.values.filter((row) => !PrimitiveValueListNode.is(row));
  return Object.values(node).flat().filter(isNode);
}

/** What a query returns: its selection, or RETURNING. */
export function selectionsOf(query: OperationNode): readonly SelectionNode[] {
  if ('selections' in query) return query.selections as readonly SelectionNode[];
  const returning =
    'returning' in query ? (query.returning as { readonly selections: readonly SelectionNode[] }) : undefined;
  return returning?.selections ?? [];
}

/** Whether all columns of a query are those of tables, which have what the configuration names. */
function hasOnlyTables(query: OperationNode): boolean {
  if (InsertQueryNode.is(query)) return true;
  if (!SelectQueryNode.is(query) || query.with !== undefined) return false;
  const sources = [...(query.from?.froms ?? []), ...(query.joins ?? []).map((join) => join.table)];
  return sources.map((source) => (AliasNode.is(source) ? source.node : source)).every(isOfDefaultSchema);
}

/** Another schema may have a table of the same name and other columns. */
function isOfDefaultSchema(node: OperationNode): boolean {
  return TableNode.is(node) && node.table.schema === undefined;
}

function isNode(value: unknown): value is OperationNode {
  return typeof value === 'object' && value !== null && 'kind' in value;
}
