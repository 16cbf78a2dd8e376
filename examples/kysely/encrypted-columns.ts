import {
  AliasNode,
  ColumnNode,
  ReferenceNode,
  type ColumnType,
  type KyselyPlugin,
  type OperationNode,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type QueryResult,
  type RootOperationNode,
  type UnknownRow,
} from 'kysely';
import type { KeyRing } from 'pazpaz-key-rotation';

/**
 * A `bytea` column that holds a ciphertext: reading gives its text, and writing takes what `ring.encryptField` has made,
 * so that TypeScript refuses to store a text in clear.
 */
export type Encrypted = ColumnType<string, Buffer, Buffer>;

/** Which context each encrypted column was written with, from the row that the query gives. */
export type Contexts = Readonly<Record<string, (row: UnknownRow) => string>>;

/** A field that could not be decrypted. `context` names its row; `cause` is the ring's error, with its code. */
export class UnreadableField extends Error {
  override readonly name = 'UnreadableField';
  readonly context: string;

  constructor(context: string, cause: unknown) {
    super(`${context} cannot be decrypted`, { cause });
    this.context = context;
  }
}

/**
 * Decrypts the named columns of every result: `db.withPlugin(new DecryptedColumns(ring, contexts))`.
 *
 * A context that is made of the row's key binds the ciphertext to its row, so a query has to select that key too; the
 * context function should throw where it is missing. NULL stays NULL. A query that gives an encrypted column another name
 * is refused: its result would be the ciphertext, although its type says text. Throws `UnreadableField` where a row does
 * not open.
 */
export class DecryptedColumns implements KyselyPlugin {
  readonly #ring: KeyRing;
  readonly #contexts: Contexts;

  constructor(ring: KeyRing, contexts: Contexts) {
    this.#ring = ring;
    this.#contexts = contexts;
  }

  transformQuery({ node }: PluginTransformQueryArgs): RootOperationNode {
    this.#refuseAliases(node);
    return node;
  }

  async transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return { ...result, rows: await Promise.all(result.rows.map((row) => this.#decrypted(row))) };
  }

  #refuseAliases(node: OperationNode): void {
    const column = aliasedColumn(node);
    if (column !== undefined && Object.hasOwn(this.#contexts, column))
      throw new TypeError(`Select ${column} under its own name: under another one it would not be decrypted.`);
    for (const child of Object.values(node).flat()) if (isNode(child)) this.#refuseAliases(child);
  }

  async #decrypted(row: UnknownRow): Promise<UnknownRow> {
    const decrypted: UnknownRow = { ...row };
    for (const [column, contextOf] of Object.entries(this.#contexts)) {
      const value = row[column];
      if (!(value instanceof Uint8Array)) continue;
      const context = contextOf(row);
      decrypted[column] = await this.#ring.decryptField(value, context).catch((error: unknown) => {
        throw new UnreadableField(context, error);
      });
    }
    return decrypted;
  }
}

/** The column that a node gives another name: 'notes' of `notes as text`. */
function aliasedColumn(node: OperationNode): string | undefined {
  if (!AliasNode.is(node)) return undefined;
  const column = ReferenceNode.is(node.node) ? node.node.column : node.node;
  return ColumnNode.is(column) ? column.column.name : undefined;
}

function isNode(value: unknown): value is OperationNode {
  return typeof value === 'object' && value !== null && 'kind' in value;
}
