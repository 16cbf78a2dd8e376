import { KeyRotationError } from '../../format/error.ts';
import type { RingClock } from '../clock.ts';
import { sourceError, timeLimitError } from './source-error.ts';

/** Calls always end: with an answer, at their time limit, or when the ring is closed. */
export class TimedCalls {
  /** Milliseconds, including retries. */
  readonly limit: number;
  readonly #clock: RingClock;
  readonly #secretId: string;
  readonly #running = new Set<(error: KeyRotationError) => void>();
  #hasEnded = false;

  constructor(clock: RingClock, secretId: string, limit: number) {
    this.#clock = clock;
    this.#secretId = secretId;
    this.limit = limit;
  }

  /** Abandons a call that ignores its signal. `limit`: milliseconds left, where calls share one time limit. */
  run<T>(operation: string, call: (signal: AbortSignal) => Promise<T>, limit = this.limit): Promise<T> {
    if (this.#hasEnded) return Promise.reject(ringClosed());
    return new Promise((resolve, reject) => {
      const controller = new AbortController();
      const giveUp = (error: KeyRotationError) => {
        end();
        reject(error);
        controller.abort();
      };
      const cancelLimit = this.#clock.schedule(
        () => {
          giveUp(timeLimitError(operation, this.#secretId, this.limit));
        },
        limit,
        false,
      );
      const end = () => {
        cancelLimit();
        this.#running.delete(giveUp);
      };
      this.#running.add(giveUp);
      startedSafely(call, controller.signal).then(
        (answer) => {
          end();
          resolve(answer);
        },
        (error: unknown) => {
          end();
          reject(sourceError(operation, this.#secretId, error));
        },
      );
    });
  }

  pause(milliseconds: number): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.#running.delete(end);
        resolve();
      };
      const cancel = this.#clock.schedule(end, milliseconds, false);
      this.#running.add(end);
    });
  }

  /** Running and future calls reject with `RING_CLOSED`. */
  endAll(): void {
    this.#hasEnded = true;
    for (const giveUp of [...this.#running]) giveUp(ringClosed());
  }
}

async function startedSafely<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return call(signal);
}

export function ringClosed(): KeyRotationError {
  return new KeyRotationError('RING_CLOSED', 'The key ring is closed. Open another one, or close this one later.');
}
