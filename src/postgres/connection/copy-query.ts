import type pg from 'pg';
import { KeyRotationError } from '../../format/error.ts';
import { databaseError } from './database-error.ts';

/** What begins a COPY in binary, before the flags and the length of an extension (PostgreSQL, 'COPY', 'Binary Format'). */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');

/**
 * A `COPY (SELECT …) TO STDOUT (FORMAT binary)`, which `pg` sends for us and whose answer it does not read. Its data is
 * handed on while it is in the buffer of the connection: nothing is copied, nothing is decoded that no one looks at, and
 * the socket is not read further meanwhile, so that memory stays the same for any table.
 */
export class CopyQuery implements pg.Submittable {
  readonly done: Promise<void>;
  readonly #text: string;
  readonly #onData: (chunk: Buffer) => Promise<void> | undefined;
  #socket: pg.Connection['stream'] | undefined;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #failure: { readonly error: unknown } | undefined;

  /**
   * `onData` gets whole rows. The socket is read on when its promise resolves; what it rejects with, `done` does, too.
   */
  constructor(select: string, onData: (chunk: Buffer) => Promise<void> | undefined) {
    this.#text = `COPY (${select}) TO STDOUT (FORMAT binary)`;
    this.#onData = onData;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  readonly submit = (connection: pg.Connection): void => {
    this.#socket = connection.stream;
    connection.query(this.#text);
  };

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    if (this.#failure !== undefined) return;
    try {
      const taken = this.#onData(chunk);
      if (taken !== undefined) void this.#pauseFor(taken);
    } catch (error) {
      this.#failure = { error };
    }
  }

  handleCommandComplete(): void {
    // The server is ready for the next statement only after this.
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#resolve();
    else this.#reject(this.#failure.error);
  }

  handleError(error: unknown): void {
    this.#reject(databaseError(error));
  }

  async #pauseFor(taken: Promise<void>): Promise<void> {
    this.#socket?.pause();
    try {
      await taken;
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#socket?.resume();
  }
}

/** A row in binary, as PostgreSQL sends it. It may be looked at only during the call that it is given to. */
export class BinaryRow {
  #chunk: Buffer = SIGNATURE;
  #count = 0;
  /** Where each value begins and ends: 0 for a NULL. Another row has them in the same place. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  /** Reads the row of `count` values that begins at `offset`; gives where it ends. */
  read(chunk: Buffer, count: number, offset: number): number {
    this.#chunk = chunk;
    this.#count = count;
    let next = offset;
    for (let place = 0; place < count; place += 1) {
      const start = next + 4;
      const length = chunk.readInt32BE(next);
      next = length < 0 ? start : start + length;
      if (next > chunk.length) throw unreadable();
      this.#starts[place] = length < 0 ? 0 : start;
      this.#ends[place] = next;
    }
    return next;
  }

  bytes(place: number): Buffer | undefined {
    const start = this.#startOf(place);
    return start === 0 ? undefined : this.#chunk.subarray(start, this.#ends[place]);
  }

  text(place: number): string | undefined {
    const start = this.#startOf(place);
    return start === 0 ? undefined : this.#chunk.toString('utf8', start, this.#ends[place]);
  }

  isTrue(place: number): boolean {
    const start = this.#startOf(place);
    return start !== 0 && this.#chunk[start] === 1;
  }

  #startOf(place: number): number {
    return place < this.#count ? (this.#starts[place] ?? 0) : 0;
  }
}

export class BinaryRows {
  readonly #row = new BinaryRow();
  #hasBegun = false;

  /** Gives each row of `chunk` to `onRow`. PostgreSQL sends whole rows in each message, the header before the first. */
  read(chunk: Buffer, onRow: (row: BinaryRow) => void): void {
    let offset = 0;
    if (!this.#hasBegun) {
      if (!chunk.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw unreadable();
      const flags = SIGNATURE.length;
      offset = flags + 8 + chunk.readInt32BE(flags + 4);
      this.#hasBegun = true;
    }
    while (offset < chunk.length) {
      const count = chunk.readInt16BE(offset);
      if (count < 0) return;
      offset = this.#row.read(chunk, count, offset + 2);
      onRow(this.#row);
    }
  }
}

function unreadable(): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    'The database sent rows in a form that is not that of PostgreSQL. Connect to it directly, without anything in between.',
  );
}
