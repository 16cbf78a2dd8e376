import { setTimeout as sleep } from 'node:timers/promises';
import { mayBeRotated } from './connect.ts';
import { isLostConnection } from './database-error.ts';
import { Connection, type DatabaseAddress } from './database.ts';
import { SpareConnection } from './spare-connection.ts';

/** Pauses after a lost connection: a server that restarts or fails over is waited for, more than a minute and a half. */
const RECONNECT_PAUSES = [100, 500, 2000, 5000, 10_000, 20_000, 30_000, 30_000];

/**
 * Connections for work that lasts. They are opened again where they are lost, and where the password has been changed
 * since. One whose work is done is kept for the next: PostgreSQL has read the catalog and planned its statements there.
 */
export class LastingConnection {
  readonly #database: DatabaseAddress;
  readonly #stop: AbortSignal;
  readonly #spare = new SpareConnection<Connection>();
  #hasOpened = false;

  /** `stop`: work is not begun again once it is aborted. */
  constructor(database: DatabaseAddress, stop: AbortSignal) {
    this.#database = database;
    this.#stop = stop;
  }

  /** Begins `work` again where a connection is lost. `onProgress`: as many failures may follow as at first. */
  during<T>(work: (session: Connection, onProgress: () => void) => Promise<T>): Promise<T> {
    return this.again(async (onProgress) => {
      const session = await this.open();
      try {
        const result = await work(session, onProgress);
        await this.keep(session);
        return result;
      } catch (error) {
        await session.close();
        throw error;
      }
    });
  }

  /** `during` for work that opens a connection to this address itself. */
  async again<T>(work: (onProgress: () => void) => Promise<T>): Promise<T> {
    let failures = 0;
    for (;;) {
      try {
        return await work(() => {
          failures = 0;
        });
      } catch (error) {
        // The secret of a role may be rotated long after the role.
        const mayComeBack = isLostConnection(error) || (this.#hasOpened && mayBeRotated(this.#database, error));
        const pause = mayComeBack ? RECONNECT_PAUSES[failures] : undefined;
        if (pause === undefined || this.#stop.aborted) throw error;
        failures += 1;
        await sleep(pause, undefined, { signal: this.#stop }).catch(() => undefined);
      }
    }
  }

  /** One for other work beside it. */
  async open(): Promise<Connection> {
    const session = this.#spare.take() ?? (await Connection.open(this.#database));
    this.#hasOpened = true;
    return session;
  }

  /** Gives back one that was opened. */
  keep(session: Connection): Promise<void> {
    return this.#spare.keep(session);
  }

  /** The one that is kept; the next work opens another. */
  async close(): Promise<void> {
    await this.#spare.take()?.close();
  }
}
