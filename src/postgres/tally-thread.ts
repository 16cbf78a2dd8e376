import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { KeyRotationError, type ErrorCode } from '../format/error.ts';
import { KeyMaterial } from '../format/key-material.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import type { ReadColumn } from './row-reader.ts';
import { KnownKeys } from './known-keys.ts';
import type { Counts } from './tally.ts';

export interface ThreadStart {
  readonly column: ReadColumn;
  readonly ring: RingLabels;
  readonly isReplica: boolean;
  readonly unread: ReadonlyMap<string, { readonly code: ErrorCode; readonly message: string }>;
  readonly keys: ReadonlyMap<string, KeyObject>;
}

/** What a thread is sent: the rows of one COPY in parts, then the question for its counts. */
export type ToThread =
  { readonly kind: 'rows'; readonly bytes: Uint8Array; readonly isFirst: boolean } | { readonly kind: 'count' };

/** What a thread answers, once to each message. */
export type FromThread =
  | { readonly kind: 'taken'; readonly rows: number }
  | { readonly kind: 'counts'; readonly counts: Counts }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/** Bytes that are sent at once: a message for each row would cost more than opening it. */
const PART_BYTES = 256 * 1024;

/** Parts that a thread may have waiting before its connection is read no further. */
const MOST_WAITING = 4;

export class TallyThread {
  readonly #worker: Worker;
  readonly #onTaken: (rows: number) => void;
  readonly #wakers: (() => void)[] = [];
  #waiting = 0;
  #counts: Counts | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `onTaken` gets the number of rows that were counted since its last call; what it throws ends the count. */
  constructor(program: string, column: ReadColumn, keys: KnownKeys, onTaken: (rows: number) => void) {
    const { spec, members, key, context, fromContext, storage, server } = column;
    const unread = [...keys.unread].map(([id, { code, message }]) => [id, { code, message }] as const);
    const start: ThreadStart = {
      column: { spec, members, key, context, fromContext, storage, server },
      ring: keys.ring,
      isReplica: keys.isReplica,
      unread: new Map(unread),
      keys: new Map([...keys.byVersion].map(([id, { keyObject }]) => [id, keyObject])),
    };
    this.#onTaken = onTaken;
    this.#worker = new Worker(program, { workerData: start, execArgv: [] });
    this.#worker.on('message', (answer: FromThread) => {
      this.#hear(answer);
    });
    this.#worker.on('error', (error) => {
      this.#fail(error);
    });
  }

  beginCopy() {
    let part = Buffer.allocUnsafeSlow(PART_BYTES);
    let length = 0;
    let isFirst = true;
    const flush = () => {
      if (length === 0) return;
      this.#send({ kind: 'rows', bytes: part.subarray(0, length), isFirst }, [part.buffer]);
      isFirst = false;
      part = Buffer.allocUnsafeSlow(PART_BYTES);
      length = 0;
    };
    return {
      /** Takes whole rows; its promise resolves when more may come. */
      add: (chunk: Buffer): Promise<void> | undefined => {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (length + chunk.length > part.length) {
          flush();
          if (chunk.length > part.length) part = Buffer.allocUnsafeSlow(chunk.length);
        }
        length += chunk.copy(part, length);
        return this.#waiting < MOST_WAITING ? undefined : this.#until(() => this.#waiting < MOST_WAITING);
      },
      end: async (): Promise<void> => {
        flush();
        await this.#until(() => this.#waiting === 0);
      },
    };
  }

  async counts(): Promise<Counts> {
    this.#send({ kind: 'count' }, []);
    await this.#until(() => this.#counts !== undefined);
    if (this.#counts === undefined) throw new Error('A thread gave no counts.');
    return this.#counts;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(message: ToThread, transfer: readonly ArrayBuffer[]): void {
    this.#waiting += 1;
    this.#worker.postMessage(message, transfer);
  }

  #hear(answer: FromThread): void {
    this.#waiting -= 1;
    try {
      if (answer.kind === 'failed') this.#fail(new KeyRotationError(answer.code, answer.message));
      else if (answer.kind === 'counts') this.#counts = answer.counts;
      else this.#onTaken(answer.rows);
    } catch (error) {
      this.#fail(error);
    }
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (condition()) return;
      await new Promise<void>((resolve) => {
        this.#wakers.push(resolve);
      });
    }
  }
}

export function keysOf({ ring, isReplica, unread, keys }: ThreadStart): KnownKeys {
  return new KnownKeys({
    ring,
    isReplica,
    unread: new Map([...unread].map(([id, { code, message }]) => [id, new KeyRotationError(code, message)])),
    byVersion: new Map([...keys].map(([id, key]) => [id, KeyMaterial.fromBytes(key.export())])),
  });
}
