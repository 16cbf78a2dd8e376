import type { RingClock } from '../../../src/keyring/clock.ts';

interface Timer {
  readonly at: number;
  readonly act: () => void;
  readonly background: boolean;
}

/** A clock that stands still until it is moved; timers that fall due on the way go off at their time. */
export class ManualClock implements RingClock {
  #wall = Date.UTC(2026, 0, 1);
  #monotonic = 1000;
  readonly #timers = new Set<Timer>();

  readonly wall = (): number => this.#wall;
  readonly monotonic = (): number => this.#monotonic;

  readonly schedule = (act: () => void, milliseconds: number, background: boolean): (() => void) => {
    const timer = { at: this.#monotonic + milliseconds, act, background };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Timers that wait, those of calls under way included. */
  get timers(): readonly { readonly background: boolean }[] {
    return [...this.#timers];
  }

  /** Moves both clocks, and lets everything happen that follows. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#monotonic + milliseconds;
    await settle();
    for (let timer = this.#nextDue(end); timer !== undefined; timer = this.#nextDue(end)) {
      this.#timers.delete(timer);
      this.#move(Math.max(0, timer.at - this.#monotonic));
      timer.act();
      await settle();
    }
    this.#move(end - this.#monotonic);
    await settle();
  }

  /** Moves the clocks while no timer runs, as in a process that is frozen. */
  sleep(milliseconds: number): void {
    this.#move(milliseconds);
  }

  /** The machine sleeps: its monotonic clock stands still. */
  suspend(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  /**
   * Moves on in small steps until the promise is settled, and gives how many milliseconds that took; at most
   * `limit`, and one step more where it was not settled then.
   */
  async timeOf(promise: Promise<unknown>, limit = 60_000): Promise<number> {
    let settlements = 0;
    const count = () => {
      settlements += 1;
    };
    promise.then(count, count);
    const step = 100;
    await settle();
    let time = 0;
    for (; settlements === 0 && time <= limit; time += step) await this.advance(step);
    return time;
  }

  /** Moves on until the promise is settled, and gives what it gives. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    await this.timeOf(promise);
    return promise;
  }

  /** Someone sets the wall clock. */
  setWall(by: number): void {
    this.#wall += by;
  }

  #nextDue(end: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
  }

  #move(milliseconds: number): void {
    this.#wall += milliseconds;
    this.#monotonic += milliseconds;
  }
}

/** Lets promises run that need no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
