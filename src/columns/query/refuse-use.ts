import {
  AggregateFunctionNode,
  AliasNode,
  BinaryOperationNode,
  ColumnUpdateNode,
  CommonTableExpressionNameNode,
  CommonTableExpressionNode,
  FunctionNode,
  IdentifierNode,
  InsertQueryNode,
  MergeQueryNode,
  OperatorNode,
  ReferenceNode,
  SelectionNode,
  SelectQueryNode,
  TableNode,
  UnaryOperationNode,
  type OperationNode,
} from 'kysely';
import { KeyRotationError } from '../../format/error.ts';
import { childrenOf, columnName, nameOf, selectionsOf, type Field, type QueryColumns } from './query-columns.ts';

/**
 * Throws `INVALID_COLUMN` where a query reads an encrypted column other than under its own name in its result, or
 * compares it: both would use the ciphertext. NULL may be asked for, and values counted.
 */
export function refuseUse(query: OperationNode, columns: QueryColumns): void {
  check(query, columns, false);
}

function check(node: OperationNode, columns: QueryColumns, isInResult: boolean): void {
  if (MergeQueryNode.is(node))
    throw refused('MERGE', 'The plugin does not encrypt in MERGE. Use insertInto with onConflict, or updateTable.');
  const field = columns.named(node);
  if (field !== undefined) throw comparesCiphertext(field.name);
  if (ReferenceNode.is(node) || CommonTableExpressionNameNode.is(node)) return;
  if (FunctionNode.is(node)) refuseRow(node.arguments, columns);
  if (AggregateFunctionNode.is(node) && node.func !== 'count') refuseRow(node.aggregated, columns);
  if (CommonTableExpressionNode.is(node)) refuseNewNames(node, columns);
  if (SelectQueryNode.is(node)) refuseOtherParts(node, columns);
  for (const child of childrenOf(node)) {
    if (isAllowed(node, child, columns, isInResult)) continue;
    check(child, columns, isInValue(node, child, isInResult));
  }
}

/** Whether a column may stand at this place. */
function isAllowed(parent: OperationNode, child: OperationNode, columns: QueryColumns, isInResult: boolean): boolean {
  if (SelectionNode.is(parent)) return isPlainSelection(child, columns, isInResult);
  if (columns.named(child) === undefined) return false;
  if (InsertQueryNode.is(parent)) return true;
  if (ColumnUpdateNode.is(parent)) return child === parent.column || isExcluded(child, columnName(parent.column));
  if (AggregateFunctionNode.is(parent)) return parent.func === 'count';
  return (
    BinaryOperationNode.is(parent) && OperatorNode.is(parent.operator) && /^is( not)?$/.test(parent.operator.operator)
  );
}

/** A column of the result under its own name. Inside a value that the query computes it would be a ciphertext. */
function isPlainSelection(selection: OperationNode, columns: QueryColumns, isInResult: boolean): boolean {
  if (isInResult) {
    const [hidden] = columns.all(selection);
    if (hidden !== undefined) throw comparesCiphertext(hidden.name);
    return false;
  }
  if (columns.named(selection) !== undefined) return true;
  const field = AliasNode.is(selection) ? columns.named(selection.node) : undefined;
  if (field === undefined || !AliasNode.is(selection)) return false;
  if (IdentifierNode.is(selection.alias) && selection.alias.name === field.name) return true;
  throw refused(
    `${field.name} under another name`,
    `Select ${field.name} under its own name: under another one it would not be decrypted.`,
  );
}

/** Whether a node is in a value that the query computes. Whether rows exist does not depend on their columns. */
function isInValue(parent: OperationNode, child: OperationNode, isParentInValue: boolean): boolean {
  if (UnaryOperationNode.is(parent) && OperatorNode.is(parent.operator) && parent.operator.operator.endsWith('exists'))
    return false;
  const isValue = SelectionNode.is(parent) || (BinaryOperationNode.is(parent) && SelectQueryNode.is(child));
  return isParentInValue || isValue;
}

/** `to_json(patients)`: a whole row as a value. */
function refuseRow(values: readonly OperationNode[], columns: QueryColumns): void {
  for (const table of values.filter(TableNode.is)) {
    const [field] = columns.ofRow(nameOf(table));
    if (field !== undefined) throw comparesCiphertext(field.name);
  }
}

/** `with('q(id, text)', …)` gives the columns of its query other names, by their places. */
function refuseNewNames({ name, expression }: CommonTableExpressionNode, columns: QueryColumns): void {
  if (name.columns === undefined) return;
  for (const [place, fields] of places(expression, columns).entries())
    for (const field of fields)
      if (field !== '*' && (fields.length > 1 || name.columns[place]?.column.name !== field.name))
        throw refused(`${field.name} under another name`, 'Give the column its own name in the list of WITH.');
}

/** A union names its columns as its first part does, by their places. */
function refuseOtherParts(query: SelectQueryNode, columns: QueryColumns): void {
  const first = places(query, columns);
  for (const { expression } of query.setOperations ?? [])
    for (const [place, fields] of places(expression, columns).entries()) {
      const field = fields.find((one) => one !== '*');
      const isSame = fields.every((one, at) => isSameField(one, first[place]?.[at]));
      if (field !== undefined && !(isSame && fields.length === first[place]?.length))
        throw refused(
          `${field.name} in a union whose first part has another column at its place`,
          'Select the encrypted column of the same table at the same place in each part, or send two queries.',
        );
    }
}

/** The encrypted columns of each selection of a query: none, one, or those of `*`. */
function places(query: OperationNode, columns: QueryColumns): readonly (readonly (Field | '*')[])[] {
  return selectionsOf(query).map(({ selection }) => {
    const all = columns.all(selection);
    const field = columns.named(AliasNode.is(selection) ? selection.node : selection);
    return all.length > 0 ? ['*', ...all] : field === undefined ? [] : [field];
  });
}

function isSameField(one: Field | '*', other: Field | '*' | undefined): boolean {
  return one === '*' || other === '*' || other === undefined ? one === other : one.column === other.column;
}

/** `excluded.notes` for `notes`: what the same statement was to insert. */
export function isExcluded(value: OperationNode, name: string | undefined): boolean {
  if (!ReferenceNode.is(value) || value.table === undefined || nameOf(value.table) !== 'excluded') return false;
  return name !== undefined && columnName(value) === name;
}

function comparesCiphertext(name: string): KeyRotationError {
  return refused(
    `the encrypted column ${name} in an expression, a condition or an order`,
    'The database has only its ciphertext, and each encryption of a value is another one. Select the column under its ' +
      'own name and work with the value in the application.',
  );
}

export function refused(what: string, how: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', `This query was not sent: it uses ${what}. ${how}`);
}
