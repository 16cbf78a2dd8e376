/** Milliseconds: the server, or a device on the way to it, may end a connection that is idle for longer. */
const KEPT_FOR = 10_000;

interface Closable {
  readonly isOpen: boolean;
  readonly close: () => Promise<void>;
}

/**
 * A connection whose work is done, for the next work on the same address: PostgreSQL has read the catalog and planned its
 * looks at it there.
 */
export class SpareConnection<Connection extends Closable> {
  readonly #keptFor: number;
  #kept: { readonly connection: Connection; readonly timer: NodeJS.Timeout } | undefined;
  #isClosed = false;

  constructor(keptFor = KEPT_FOR) {
    this.#keptFor = keptFor;
  }

  take(): Connection | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    clearTimeout(kept?.timer);
    return kept?.connection.isOpen === true ? kept.connection : undefined;
  }

  /** Closes it where one is kept already. */
  async keep(connection: Connection): Promise<void> {
    if (this.#isClosed || this.#kept !== undefined) return connection.close();
    const timer = setTimeout(() => void this.take()?.close(), this.#keptFor).unref();
    this.#kept = { connection, timer };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.take()?.close();
  }
}
