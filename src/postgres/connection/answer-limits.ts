import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type pg from 'pg';
import { DatabaseFailure } from './database-error.ts';

export interface AnswerLimits {
  /** Bytes until a connection is ready, and of one answer. A value has at most 16 MiB, which are 32 MiB as text. */
  readonly startupBytes: number;
  readonly bytes: number;
  readonly time: number;
  /** Milliseconds after which an unfinished message must have come at `rate` (bytes a second). */
  readonly messageTime: number;
  readonly rate: number;
}

const LIMITS: AnswerLimits = {
  startupBytes: 1024 * 1024,
  bytes: 256 * 1024 * 1024,
  time: 3_600_000,
  messageTime: 60_000,
  rate: 10_000,
};

const LOOK = 250;

/** `pg` waits without end for a server that streams or stalls within a message, and keeps in memory what it has. */
export class AnswerWatch {
  readonly #socket: Socket;
  readonly #limits: AnswerLimits;
  readonly #timer: NodeJS.Timeout;
  #isReady = false;
  #isWaiting = true;
  #begun = { at: Date.now(), bytes: 0 };
  #message = { at: Date.now(), bytes: 0 };
  /** Not since the last look: a message ended since. */
  #isInMessage = true;
  #failure: DatabaseFailure | undefined;

  /** `socket`: the one below TLS that `client` was given. */
  constructor(client: pg.Client, socket: Socket, limits: AnswerLimits = LIMITS) {
    this.#socket = socket;
    this.#limits = limits;
    const connection: unknown = Reflect.get(client, 'connection');
    if (connection instanceof EventEmitter) connection.on('message', () => (this.#isInMessage = false));
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK).unref();
    socket.once('close', () => {
      clearInterval(this.#timer);
    });
  }

  get failure(): DatabaseFailure | undefined {
    return this.#failure;
  }

  /** Awaits an answer within the limits; what it rejects with is `failure` where they were exceeded. */
  async during<T>(answer: Promise<T>): Promise<T> {
    this.#isReady = true;
    this.#isWaiting = true;
    this.#begun = this.#message = this.#now();
    try {
      return await answer;
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#isWaiting = false;
    }
  }

  #now() {
    return { at: Date.now(), bytes: this.#socket.bytesRead };
  }

  #look(): void {
    if (!this.#isWaiting || this.#failure !== undefined) return;
    const now = this.#now();
    const { at, bytes } = now;
    if (!this.#isInMessage) this.#message = now;
    this.#isInMessage = true;
    const { startupBytes, bytes: answerBytes, time, messageTime, rate } = this.#limits;
    const most = this.#isReady ? answerBytes : startupBytes;
    const elapsed = at - this.#message.at;
    const inMessage = bytes - this.#message.bytes;
    if (bytes - this.#begun.bytes > most) this.#end(`sent more than ${most} bytes for one answer`);
    else if (at - this.#begun.at > time) this.#end(`gave no whole answer in ${time / 1000} seconds`);
    else if (inMessage > 0 && elapsed > messageTime && inMessage < (rate * elapsed) / 1000) {
      this.#end(`did not end a message in ${messageTime / 1000} seconds`);
    }
  }

  #end(what: string): void {
    this.#failure = new DatabaseFailure(
      'CANNOT_REACH_DATABASE',
      `The database ${what}, so the connection was closed. Check that --database-url names PostgreSQL itself, and the way ` +
        'to it. Nothing was lost: run the same command again.',
    );
    this.#socket.destroy();
  }
}
