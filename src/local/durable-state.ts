import type { SavedState } from './saved-state.ts';
import { ServiceError } from './service/service-error.ts';
import type { ServiceState } from './service/state.ts';
import { messageOf } from './error-message.ts';

export interface DurableStateOptions {
  readonly initial: ServiceState;
  readonly clockOffset: () => number;
  /** Absent: the state lives in memory only. */
  readonly save: ((saved: SavedState) => Promise<void>) | undefined;
}

/** Saves a change before it is acknowledged. If that fails, the change is taken back, unless a later save has it. */
export class DurableState {
  readonly #options: DurableStateOptions;
  #current: ServiceState;
  #saved: ServiceState;
  #lastSave: Promise<void> = Promise.resolve();
  #saves = 0;
  #newestSaved = 0;

  constructor(options: DurableStateOptions) {
    this.#options = options;
    this.#current = options.initial;
    this.#saved = options.initial;
  }

  get current(): ServiceState {
    return this.#current;
  }

  /** Resolves when this state, or a later one, is saved. Throws `InternalServiceError` if that fails. */
  replace(next: ServiceState): Promise<void> {
    this.#current = next;
    return this.save();
  }

  save(): Promise<void> {
    this.#saves += 1;
    this.#lastSave = this.#write(this.#saves, this.#current);
    // The caller gets the failure, or else `saved` does.
    this.#lastSave.catch(() => undefined);
    return this.#lastSave;
  }

  /** Await it before any answer: it resolves when what can be read now is saved. */
  saved(): Promise<void> {
    return this.#current === this.#saved ? Promise.resolve() : this.#lastSave;
  }

  async #write(number: number, state: ServiceState): Promise<void> {
    const { save, clockOffset } = this.#options;
    try {
      await save?.({ clockOffset: clockOffset(), state });
    } catch (error) {
      // A later save includes this change: it decides.
      if (number === this.#saves) this.#current = this.#saved;
      throw new ServiceError('InternalServiceError', `The state file cannot be written: ${messageOf(error)}`, 500);
    }
    if (number < this.#newestSaved) return;
    this.#newestSaved = number;
    this.#saved = state;
  }
}
