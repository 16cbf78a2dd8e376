import { setTimeout as sleep } from 'node:timers/promises';
import { KeyRotationError } from '../keyring/error.ts';
import { columnName, type Column, type ColumnSpec } from './column.ts';
import { isLostConnection } from './database-error.ts';
import { quoted, Session, type DatabaseAddress } from './database.ts';
import { finishJob, jobTotals, leftRows, openJob, retargetJob, targetOf, type Job, type JobTotals } from './job.ts';
import { workBatch } from './lane.ts';
import { lookUpColumn } from './look-up-column.ts';
import type { LeftRow } from './plan-rows.ts';
import { cutRange, type BatchResult } from './ranges.ts';
import type { BatchLimits } from './read-rows.ts';
import { RingWatch } from './ring-watch.ts';
import type { RingKeys } from './ring-keys.ts';
import { decideTriggers, skipTriggers, type TriggerChoice } from './triggers.ts';
import { requireRoom } from './room.ts';

/** How a column is re-encrypted. */
export interface ReencryptOptions {
  /** What is done about the table's triggers. Needed where it has some. */
  readonly triggers?: TriggerChoice | undefined;
  /** Connections of this process, so that one encrypts while the others wait for the database. Default: 2. */
  readonly lanes?: number;
  /** Rows of one transaction. Default: 2,000. */
  readonly batchRows?: number;
  /** Bytes of one transaction, which the rows of a batch stay within. Default: 4 MiB. */
  readonly batchBytes?: number;
  /** Rows of one range, the share that a process is given at a time. Default: 20,000. */
  readonly rangeRows?: number;
  /** Begins anew where an unfinished job was asked for something else. Default: false. */
  readonly startOver?: boolean;
  /** Told after each batch of this process. */
  readonly onBatch?: (progress: Progress) => void;
  /** Stops at the end of each lane's batch once aborted. */
  readonly signal?: AbortSignal;
}

/** What this process has done so far. */
export interface Progress {
  readonly column: Column;
  /** Rows that this process has read and re-encrypted. */
  readonly readRows: number;
  readonly reencrypted: number;
  /** Of all processes, as last asked: once a second at most. */
  readonly totals: JobTotals;
}

/** What became of a column. */
export interface ReencryptReport {
  readonly table: string;
  readonly column: string;
  /** The number that its rows have now. */
  readonly keyNumber: number;
  /** `false` where it was stopped: the same command goes on. */
  readonly isFinished: boolean;
  readonly isResumed: boolean;
  /** Rows that this process re-encrypted. */
  readonly ownReencrypted: number;
  /** All processes, this command's earlier runs of the same job included. */
  readonly totals: JobTotals;
  /** Rows left untouched, the first 10,000. */
  readonly left: readonly LeftRow[];
}

/** Pause before looking again where other processes have all that is left, and after a lost connection (milliseconds). */
const PAUSE = 50;
const RECONNECT_PAUSES = [100, 500, 2000, 5000];

/** Milliseconds between two looks at what all processes have done. */
const TOTALS_INTERVAL = 1000;

/** How often a job may be turned to another key: two processes that see different rings must not go on for ever. */
const MOST_RETARGETS = 3;

/**
 * Checks everything that can be checked before the first write, of all columns; then brings one after the other to the
 * current key. Rejects with `INVALID_COLUMN`, `COLUMN_TOO_SHORT`, `TRIGGERS_UNDECIDED`, `JOB_DIFFERS`, what
 * `requireTarget` throws, `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED` or `CANNOT_REACH_AWS`; whatever it is, rows are whole, and
 * the same command goes on where this one stopped.
 */
export async function reencrypt(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  options: ReencryptOptions = {},
): Promise<readonly ReencryptReport[]> {
  keys.requireTarget();
  const columns = await checkedColumns(database, specs, keys, options);
  const reports: ReencryptReport[] = [];
  for (const column of columns) {
    if (options.signal?.aborted === true && reports.length > 0) break;
    reports.push(await new Reencryption(database, column, keys, options).run());
  }
  return reports;
}

async function checkedColumns(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  { triggers }: ReencryptOptions,
): Promise<readonly Column[]> {
  const session = await Session.open(database);
  try {
    const columns: Column[] = [];
    for (const spec of specs) columns.push(await lookUpColumn(session, spec));
    for (const column of columns) requireReach(column);
    await decideTriggers(session, columns, triggers);
    for (const column of columns) await requireRoom(session, column, keys);
    return columns;
  } finally {
    await session.close();
  }
}

/** Throws `INVALID_COLUMN` where rows are hidden from this user, or may not be changed by it. */
function requireReach(column: Column): void {
  const { unseen, mayUpdate, spec, table } = column;
  if (unseen.length > 0) {
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `Not every row of ${columnName(column)} can be reached: ${unseen.join('; ')}. Connect to the primary server, as the ` +
        "table's owner or as a role with BYPASSRLS.",
    );
  }
  if (!mayUpdate) {
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `This user may not change ${columnName(column)}: GRANT SELECT, UPDATE (${quoted(spec.column)}) ON ${table} TO its role.`,
    );
  }
}

/** One column's work in this process. */
class Reencryption {
  readonly #database: DatabaseAddress;
  readonly #column: Column;
  readonly #keys: RingKeys;
  readonly #watch: RingWatch;
  readonly #options: ReencryptOptions;
  readonly #limits: BatchLimits;
  readonly #stop = new AbortController();
  #readRows = 0;
  #reencrypted = 0;
  #retargets = 0;
  #totals: JobTotals = { readRows: 0, reencrypted: 0, alreadyCurrent: 0, nulls: 0, empty: 0, left: 0 };
  #totalsAt = 0;

  constructor(database: DatabaseAddress, column: Column, keys: RingKeys, options: ReencryptOptions) {
    this.#database = database;
    this.#column = column;
    this.#keys = keys;
    this.#watch = new RingWatch(keys);
    this.#options = options;
    this.#limits = { rows: options.batchRows ?? 2000, bytes: options.batchBytes ?? 4 * 1024 * 1024 };
  }

  async run(): Promise<ReencryptReport> {
    const session = await Session.open(this.#database);
    try {
      let isResumed = false;
      for (;;) {
        const { startOver = false, lanes = 2 } = this.#options;
        const job = await openJob(session, this.#column, this.#keys.requireTarget().number, startOver);
        isResumed ||= job.isResumed;
        await this.#runLanes(job, lanes);
        const isFinished = await finishJob(session, job);
        const keyNumber = await targetOf(session, job);
        if (isFinished && !this.#isStopped && (await this.#isOutdated(keyNumber))) continue;
        return {
          table: this.#column.spec.table,
          column: this.#column.spec.column,
          keyNumber,
          isFinished,
          isResumed,
          ownReencrypted: this.#reencrypted,
          totals: await jobTotals(session, job),
          left: await leftRows(session, job),
        };
      }
    } finally {
      await session.close();
    }
  }

  /** Whether a rotation has made another key current since the last batches were written. */
  async #isOutdated(number: number): Promise<boolean> {
    await this.#watch.refreshNow();
    const isOutdated = this.#keys.target !== undefined && this.#keys.target.number !== number;
    if (isOutdated) this.#countRetarget(number);
    return isOutdated;
  }

  /** Runs the lanes to their end; the first failure stops the others at the end of their batch. */
  async #runLanes(job: Job, lanes: number): Promise<void> {
    const ends = await Promise.allSettled(
      Array.from({ length: lanes }, async () => {
        try {
          await this.#lane(job);
        } catch (error) {
          this.#stop.abort();
          throw error;
        }
      }),
    );
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /** A lane works on one connection after the other: a lost one loses no more than the batch that was under way. */
  async #lane(job: Job): Promise<void> {
    let failures = 0;
    for (;;) {
      try {
        await this.#workOnConnection(job, () => {
          failures = 0;
        });
        return;
      } catch (error) {
        const pause = isLostConnection(error) ? RECONNECT_PAUSES[failures] : undefined;
        if (pause === undefined || this.#isStopped) throw error;
        failures += 1;
        await sleep(pause);
      }
    }
  }

  async #workOnConnection(job: Job, onProgress: () => void): Promise<void> {
    const session = await Session.open(this.#database);
    try {
      if (this.#options.triggers === 'skip') await skipTriggers(session);
      await preferKeyLookups(session);
      const work = { session, column: this.#column, job, keys: this.#keys, limits: this.#limits };
      let preferred = 0;
      while (!this.#isStopped) {
        await this.#watch.beforeBatch();
        const step = await workBatch(work, preferred);
        if (step.kind === 'worked') {
          preferred = step.result.range.n;
          onProgress();
          await this.#report(session, job, step.result);
        } else if (step.kind === 'other target') await this.#followRing(session, job, step.target);
        else if (await cutRange(session, this.#column, job, this.#options.rangeRows ?? 20_000)) continue;
        else if (await finishJob(session, job)) return;
        // What is left is in the hands of others: they may finish it, or be killed and leave it to us.
        else await sleep(PAUSE);
      }
    } finally {
      await session.close();
    }
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted || this.#options.signal?.aborted === true;
  }

  /** The job and this process's picture of the ring differ: the ring itself decides. */
  async #followRing(session: Session, job: Job, target: number): Promise<void> {
    await this.#keys.refresh();
    const { number } = this.#keys.requireTarget();
    if (number === target) return;
    this.#countRetarget(target);
    await retargetJob(session, job, target, number);
  }

  #countRetarget(target: number): void {
    this.#retargets += 1;
    if (this.#retargets > MOST_RETARGETS) {
      throw new KeyRotationError(
        'JOB_DIFFERS',
        `Other processes bring the rows to key ${target}, and this one sees key ${this.#keys.target?.number ?? 0} as current, again and again. ` +
          'Do all of them read the same secret, in the region of the original? Stop them, then run one.',
      );
    }
  }

  async #report(session: Session, job: Job, { readRows, reencrypted }: BatchResult): Promise<void> {
    this.#readRows += readRows;
    this.#reencrypted += reencrypted;
    const { onBatch } = this.#options;
    if (onBatch === undefined) return;
    if (Date.now() - this.#totalsAt >= TOTALS_INTERVAL) {
      this.#totalsAt = Date.now();
      this.#totals = await jobTotals(session, job);
    }
    onBatch({
      column: this.#column,
      readRows: this.#readRows,
      reencrypted: this.#reencrypted,
      totals: this.#totals,
    });
  }
}

/** Statistics of a table that was just filled, or of an array of thousands, can talk the planner into reading all of it. */
async function preferKeyLookups(session: Session): Promise<void> {
  await session.change('SET enable_hashjoin = off');
  await session.change('SET enable_mergejoin = off');
}
