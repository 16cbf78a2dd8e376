import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Column } from '../catalog/column.ts';
import type { Connection } from '../connection/database.ts';
import { holdsCheck, whyWait, type BrakeName, type Wait } from './brake-conditions.ts';
import { changedBrakes, DEFAULT_BRAKES, readBrakes, reserveRows, type Brakes, type BrakeState } from './brakes.ts';
import type { Job } from './job.ts';

/** Rows of the first batch, before anything is known of the server. */
const FIRST_BATCH = 200;

/** Fewer rows would cost more for their transaction than for themselves. */
const FEWEST_ROWS = 10;

const LOOK_INTERVAL = 1000;

/**
 * Rows that are reserved at a time: few, so that the rate is even, and an update of the application waits for the
 * processors, the disk and the locks of two hundred rows only: a commit of fewer takes as long on the disk, and comes
 * more often. At a low rate more than those of a twenty-fifth of a second, but never more than half of a second's.
 * `isLate`: the job is slower than its rate, over a long way to the server for instance, and may have those of a
 * twentieth.
 */
function shareOf(maxRowsPerSecond: number, isLate: boolean): number {
  return Math.ceil(Math.min(maxRowsPerSecond / 2, Math.max(200, maxRowsPerSecond / (isLate ? 20 : 25))));
}

/** Milliseconds for which a final check keeps its snapshot while a brake holds it: the server ends an idle transaction after 60,000. */
const MOST_HELD = 30_000;

/** Milliseconds. Tests replace it. */
export interface PaceClock {
  readonly now: () => number;
  /** Ends early, without an error, once the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const SYSTEM_CLOCK: PaceClock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }).catch(() => undefined),
};

export interface Waited {
  readonly brake: BrakeName;
  readonly seconds: number;
}

export class Pacer {
  readonly #column: Column;
  readonly #mostRows: number;
  readonly #stop: AbortSignal;
  readonly #clock: PaceClock;
  readonly #onWait: (wait: Wait) => void;
  readonly #ownQuery: string | null | undefined;
  readonly #waited = new Map<BrakeName, number>();
  #brakes: BrakeState = { ...DEFAULT_BRAKES, isPaused: false };
  #firstBrakes: BrakeState | undefined;
  #wait: Wait | undefined;
  #looking: Promise<void> | undefined;
  #lookedAt = -Infinity;
  #rows = FIRST_BATCH;
  /** Rows that were reserved and not used. */
  #credit = 0;
  /** Whether the time of the rows that were reserved last was over already. */
  #isLate = false;

  /** `ownQuery`: see `whyWait`. */
  constructor(
    column: Column,
    { mostRows, ownQuery }: { readonly mostRows: number; readonly ownQuery: string | null | undefined },
    stop: AbortSignal,
    onWait: (wait: Wait) => void,
    clock: PaceClock = SYSTEM_CLOCK,
  ) {
    this.#column = column;
    this.#mostRows = mostRows;
    this.#stop = stop;
    this.#onWait = onWait;
    this.#ownQuery = ownQuery;
    this.#clock = clock;
  }

  get brakes(): BrakeState {
    return this.#brakes;
  }

  get changed(): Partial<Brakes> {
    return this.#firstBrakes === undefined ? {} : changedBrakes(this.#firstBrakes, this.#brakes);
  }

  get waited(): readonly Waited[] {
    return [...this.#waited].map(([brake, milliseconds]) => ({ brake, seconds: Math.round(milliseconds / 1000) }));
  }

  /** Waits until the brakes allow a batch; gives how many rows it may have. */
  async beforeBatch(session: Connection, job: Job): Promise<number> {
    await this.#look(session, job);
    while (this.#wait !== undefined && !this.#stop.aborted) {
      this.#onWait(this.#wait);
      await this.#clock.sleep(LOOK_INTERVAL, this.#stop);
      await this.#look(session, job);
    }
    const { maxRowsPerSecond, batchMilliseconds } = this.#brakes;
    const rows = batchMilliseconds === null ? this.#mostRows : Math.min(this.#rows, this.#mostRows);
    if (maxRowsPerSecond === null || this.#stop.aborted) return rows;
    const share = Math.min(rows, shareOf(maxRowsPerSecond, this.#isLate));
    const used = Math.min(this.#credit, share);
    this.#credit -= used;
    if (used < share) {
      const milliseconds = await reserveRows(session, job, share - used);
      this.#isLate = milliseconds === 0;
      if (!this.#isLate) await this.#clock.sleep(milliseconds, this.#stop);
    }
    return share;
  }

  /**
   * Waits until the brakes allow a final check its next range. `false` where it must release its snapshot and begin again.
   * `connect`: a session without a transaction, which sees the brakes as they are now.
   */
  async beforeRange(connect: () => Promise<Connection>, job: Job): Promise<boolean> {
    for (let held = 0; !this.#stop.aborted; held += LOOK_INTERVAL) {
      if (this.#isLookDue) await this.#look(await connect(), job);
      if (this.#wait === undefined || !holdsCheck(this.#wait)) return true;
      if (held >= MOST_HELD) return false;
      this.#onWait(this.#wait);
      await this.#clock.sleep(LOOK_INTERVAL, this.#stop);
    }
    return false;
  }

  /** A batch waited in vain since `startedAt`. Before it is tried again, others have its rows for twice as long. */
  async afterLockTimeout(lock: string, startedAt: number, longestWait: number): Promise<void> {
    const wait: Wait = { brake: 'lock-timeout', detail: lock };
    this.#onWait(wait);
    await this.#clock.sleep(2 * longestWait, this.#stop);
    this.#count(wait, startedAt);
  }

  /** `allowed`: what `beforeBatch` gave; `rows`: how many the batch had. */
  afterBatch(allowed: number, rows: number, milliseconds: number): void {
    const { maxRowsPerSecond, batchMilliseconds } = this.#brakes;
    if (maxRowsPerSecond === null) this.#credit = 0;
    else this.#credit += allowed - rows;
    if (batchMilliseconds === null || rows === 0) return;
    this.#rows = batchSize(
      { rows, isFull: rows === allowed && allowed >= this.#rows, milliseconds },
      this.#rows,
      batchMilliseconds,
    );
  }

  now(): number {
    return this.#clock.now();
  }

  get #isLookDue(): boolean {
    return this.#clock.now() - this.#lookedAt >= LOOK_INTERVAL;
  }

  /** Once for all workers, and not more often than the interval. */
  #look(session: Connection, job: Job): Promise<void> {
    if (this.#looking === undefined && !this.#isLookDue) return Promise.resolve();
    this.#looking ??= this.#lookNow(session, job).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookNow(session: Connection, job: Job): Promise<void> {
    const before = { wait: this.#wait, at: this.#lookedAt };
    this.#brakes = await readBrakes(session, job);
    this.#firstBrakes ??= this.#brakes;
    this.#wait = await whyWait(session, this.#column, this.#brakes, this.#ownQuery);
    this.#lookedAt = this.#clock.now();
    if (before.wait !== undefined) this.#count(before.wait, before.at);
  }

  #count({ brake }: Wait, since: number): void {
    this.#waited.set(brake, (this.#waited.get(brake) ?? 0) + this.#clock.now() - since);
  }
}

interface BatchTime {
  readonly rows: number;
  readonly isFull: boolean;
  readonly milliseconds: number;
}

/** Grows and shrinks by a half at most: one slow commit says little, a busy server says it again. */
export function batchSize({ rows, isFull, milliseconds }: BatchTime, former: number, target: number): number {
  const fitting = (rows * target) / Math.max(1, milliseconds);
  if (fitting < former && milliseconds > target)
    return Math.max(FEWEST_ROWS, Math.floor(Math.max(fitting, former / 2)));
  if (!isFull) return former;
  return Math.max(former, Math.floor(Math.min(fitting, former * 1.5)));
}
