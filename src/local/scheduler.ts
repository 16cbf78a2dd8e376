import type { Clock } from './clock.ts';
import { nextDueMoment, type DueMoment } from './service/due-moments.ts';
import type { ServiceState } from './service/state.ts';

export interface SchedulerDependencies {
  readonly clock: Clock;
  readonly state: () => ServiceState;
  /** Resolves when what was due has ended. */
  readonly carryOut: (due: DueMoment) => Promise<void>;
  /** Resolves when nothing runs. */
  readonly idle: () => Promise<void>;
}

/** A Node timer waits at most 24.8 days; looking once an hour costs nothing. */
const LONGEST_WAIT = 3_600_000;

/** Real milliseconds before a task whose state could not be saved is tried again. */
const RETRY_PAUSE = 1000;

/** Limits one move: a mistyped year must not keep the service busy for days. */
const MOST_IN_ONE_MOVE = 1000;

export class Scheduler {
  readonly #deps: SchedulerDependencies;
  /** What was due and is done, so that a date that does not move is not handled forever. */
  readonly #done = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isMoving = false;
  #isStopped = false;

  constructor(deps: SchedulerDependencies) {
    this.#deps = deps;
  }

  /** Call it whenever the state has changed. */
  arm(earliest = 0): void {
    clearTimeout(this.#timer);
    if (this.#isMoving || this.#isStopped) return;
    const due = this.#next();
    if (due === undefined) return;
    const wait = Math.min(Math.max(due.at - this.#deps.clock.now(), earliest), LONGEST_WAIT);
    this.#timer = setTimeout(() => {
      void this.#inTurn(() => this.#carryOutUntil(this.#deps.clock.now(), false))
        .then(() => 0)
        // The state cannot be written: the next call answers so. The service keeps running.
        .catch(() => RETRY_PAUSE)
        .then((pause) => {
          this.arm(pause);
        });
    }, wait);
    this.#timer.unref();
  }

  /**
   * Moves the clock. What falls due on the way is done to its end at its own time, while the clock stands still. Throws
   * `RangeError` if the moment has passed, or if more than 1,000 things fall due on the way: the clock then stands at
   * the last one that was done.
   */
  moveTo(target: (now: number) => number): Promise<void> {
    const { clock, idle } = this.#deps;
    return this.#inTurn(async () => {
      clock.hold();
      this.#isMoving = true;
      try {
        const moment = target(clock.now());
        clock.check(moment);
        await idle();
        await this.#carryOutUntil(moment, true);
        clock.moveTo(moment);
      } finally {
        this.#isMoving = false;
        clock.release();
        this.arm();
      }
    });
  }

  /** Resolves when a running move has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  async #carryOutUntil(moment: number, moves: boolean): Promise<void> {
    let carriedOut = 0;
    for (let due = this.#next(); due !== undefined && due.at <= moment; due = this.#next()) {
      if (this.#isStopped) return;
      if (moves && carriedOut === MOST_IN_ONE_MOVE) throw tooMuch(this.#deps.clock.now());
      carriedOut++;
      if (moves && due.at > this.#deps.clock.now()) this.#deps.clock.moveTo(due.at);
      this.#done.add(keyOf(due));
      try {
        await this.#deps.carryOut(due);
      } catch (error) {
        this.#done.delete(keyOf(due));
        throw error;
      }
      await this.#deps.idle();
    }
  }

  #next(): DueMoment | undefined {
    return nextDueMoment(this.#deps.state(), (due) => this.#done.has(keyOf(due)));
  }

  /** One move at a time. */
  #inTurn(move: () => Promise<void>): Promise<void> {
    const moved = this.#turn.then(move);
    this.#turn = moved.catch(() => undefined);
    return moved;
  }
}

function tooMuch(now: number): RangeError {
  return new RangeError(
    `the clock stopped at ${new Date(now).toISOString()}: ${MOST_IN_ONE_MOVE} rotations and deletions fell due on the way. Move it again to continue, or set a longer schedule`,
  );
}

function keyOf(due: DueMoment): string {
  return `${due.what} ${due.arn} ${due.at}`;
}
