import type { PaceClock } from '../../../../src/postgres/job/pacer.ts';

/** A clock that stands still but for what is slept, and notes it. `onSleep` happens before each sleep is over. */
export class PacedClock implements PaceClock {
  readonly slept: number[] = [];
  #now = 0;
  readonly #onSleep: (milliseconds: number) => unknown;

  constructor(onSleep: (milliseconds: number) => unknown = () => undefined) {
    this.#onSleep = onSleep;
  }

  readonly now = (): number => this.#now;

  readonly sleep = async (milliseconds: number): Promise<void> => {
    this.#now += milliseconds;
    this.slept.push(milliseconds);
    await this.#onSleep(milliseconds);
  };
}
