import { KeyRotationError } from '../../format/error.ts';
import type { RingKeys } from '../all-keys.ts';

/** Milliseconds after which AWS is asked again which key is current. */
const REFRESH_AFTER = 30_000;

/** Milliseconds without an answer of AWS after which no more rows are written. */
const STOP_AFTER = 300_000;

/** Milliseconds between two attempts where AWS does not answer. */
const PAUSE_AFTER_FAILURE = 5000;

export class RingWatch {
  readonly #keys: RingKeys;
  readonly #refreshAfter: number;
  readonly #stopAfter: number;
  #refreshing: Promise<void> | undefined;
  #failure: unknown;
  #pausedUntilAge = 0;

  constructor(keys: RingKeys, refreshAfter = REFRESH_AFTER, stopAfter = STOP_AFTER) {
    this.#keys = keys;
    this.#refreshAfter = refreshAfter;
    this.#stopAfter = stopAfter;
  }

  /** Waits for AWS only where the last answer is too old to write by. Throws `CANNOT_REACH_AWS` then. */
  async beforeBatch(): Promise<void> {
    if (this.#keys.age < this.#refreshAfter || this.#keys.age < this.#pausedUntilAge) return;
    const refreshing = this.refreshNow();
    if (this.#keys.age < this.#stopAfter) return;
    await refreshing;
    if (this.#keys.age < this.#stopAfter) return;
    throw new KeyRotationError(
      'CANNOT_REACH_AWS',
      `AWS has not said for ${Math.round(this.#keys.age / 1000)} seconds which key is current, so no more rows are written. ` +
        `What is done stays done: run the same command again. ${this.#failure instanceof Error ? this.#failure.message : ''}`,
    );
  }

  refreshNow(): Promise<void> {
    this.#refreshing ??= this.#refresh();
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    try {
      await this.#keys.refresh();
      this.#failure = undefined;
      this.#pausedUntilAge = 0;
    } catch (error) {
      this.#failure = error;
      // Never beyond the age at which writing stops: then every batch has to ask.
      this.#pausedUntilAge = Math.min(this.#keys.age + PAUSE_AFTER_FAILURE, this.#stopAfter);
    } finally {
      this.#refreshing = undefined;
    }
  }
}
