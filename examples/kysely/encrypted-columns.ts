import type {
  ColumnType,
  KyselyPlugin,
  PluginTransformQueryArgs,
  PluginTransformResultArgs,
  QueryResult,
  RootOperationNode,
  UnknownRow,
} from 'kysely';
import type { KeyRing } from 'pazpaz-key-rotation';

/**
 * A `bytea` column that holds a ciphertext: reading gives its text, and writing takes what `ring.encryptField` has made,
 * so that TypeScript refuses to store a text in clear.
 */
export type Encrypted = ColumnType<string, Buffer, Buffer>;

/** Which context each encrypted column was written with, from the row that the query gives. */
export type Contexts = Readonly<Record<string, (row: UnknownRow) => string>>;

/**
 * Decrypts the named columns of every result: `db.withPlugin(new DecryptedColumns(ring, contexts))`.
 *
 * A context that is made of the row's key binds the ciphertext to its row, so a query has to select that key too; the
 * context function should throw where it is missing. NULL stays NULL. A column that a query gives another name stays as it
 * is stored.
 */
export class DecryptedColumns implements KyselyPlugin {
  readonly #ring: KeyRing;
  readonly #contexts: Contexts;

  constructor(ring: KeyRing, contexts: Contexts) {
    this.#ring = ring;
    this.#contexts = contexts;
  }

  transformQuery({ node }: PluginTransformQueryArgs): RootOperationNode {
    return node;
  }

  async transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return { ...result, rows: await Promise.all(result.rows.map((row) => this.#decrypted(row))) };
  }

  async #decrypted(row: UnknownRow): Promise<UnknownRow> {
    const decrypted: UnknownRow = { ...row };
    for (const [column, contextOf] of Object.entries(this.#contexts)) {
      const value = row[column];
      if (value instanceof Uint8Array) decrypted[column] = await this.#ring.decryptField(value, contextOf(row));
    }
    return decrypted;
  }
}
