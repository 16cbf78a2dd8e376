import {
  AggregateFunctionNode,
  AliasNode,
  BinaryOperationNode,
  ColumnUpdateNode,
  IdentifierNode,
  InsertQueryNode,
  MergeQueryNode,
  OperatorNode,
  ReferenceNode,
  SelectionNode,
  type OperationNode,
} from 'kysely';
import { KeyRotationError } from '../../format/error.ts';
import { childrenOf, columnName, nameOf, type QueryColumns } from './query-columns.ts';

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
  if (ReferenceNode.is(node)) return;
  for (const child of childrenOf(node)) {
    if (isAllowed(node, child, columns, isInResult)) continue;
    check(child, columns, isInResult || isComputed(node, child));
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

function isComputed(parent: OperationNode, child: OperationNode): boolean {
  return SelectionNode.is(parent) && child === parent.selection;
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
