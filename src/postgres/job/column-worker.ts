import { setTimeout as sleep } from 'node:timers/promises';
import { KeyRotationError } from '../../format/error.ts';
import { namedColumn, type Column, type ColumnSpec } from '../catalog/column.ts';
import { hasWaitedInVain, isDenied, withWayOn } from '../connection/database-error.ts';
import type { Connection, DatabaseAddress } from '../connection/database.ts';
import { LastingConnection } from '../connection/lasting-connection.ts';
import { checkedColumns, type CheckedColumn } from './checked-columns.ts';
import { EndedBatches } from './ended-batches.ts';
import { checkJob, isReadyForCheck } from './final-check.ts';
import { jobState, jobTotals, leftRows, openJob, reopenJob, retargetJob, type Job, type JobTotals } from './job.ts';
import { lockOn, workBatch, type BatchWork } from './batch.ts';
import { requireQuery, whyNotAsk, type Wait } from './brake-conditions.ts';
import type { Brakes } from './brakes.ts';
import { Pacer } from './pacer.ts';
import { cutRange, type BatchResult } from './ranges.ts';
import type { BatchLimits } from '../read-rows.ts';
import { MOST_BATCH_ROWS, type ReencryptOptions, type ReencryptReport } from './reencrypt-options.ts';
import { RingWatch } from './ring-watch.ts';
import type { RingKeys } from '../all-keys.ts';
import { waitForWriters } from '../catalog/older-writers.ts';
import { SKIP_TRIGGERS } from '../catalog/triggers.ts';

const PAUSE = 50;

/** Rows that a batch has locked keep others waiting for as long. */
const LONGEST_WAIT = 5000;

const TOTALS_INTERVAL = 1000;

/** How often rows that a check has found are re-encrypted under the key; then the application writes them faster than that. */
const MOST_CHECKS = 5;

/** How often the table may be altered before rows get done: its owner must not keep a process from ever coming to an end. */
const MOST_CHANGES = 20;

/** How often a job may be turned to one key: two processes that see different rings must not alternate for ever. */
const MOST_RETARGETS = 3;

export interface WorkerOptions extends ReencryptOptions {
  /** The command's query among the brakes, which may have been changed since. */
  readonly ownQuery: string | null | undefined;
}

export class ColumnWorker {
  readonly #database: DatabaseAddress;
  readonly #connection: LastingConnection;
  #checked: CheckedColumn;
  readonly #others: readonly ColumnSpec[];
  #isChanged = false;
  readonly #keys: RingKeys;
  readonly #watch: RingWatch;
  readonly #options: WorkerOptions;
  readonly #limits: BatchLimits;
  readonly #pacer: Pacer;
  readonly #ended = new EndedBatches();
  readonly #failed = new AbortController();
  readonly #stop: AbortSignal;
  #readRows = 0;
  #reencrypted = 0;
  /** By number: a rotation turns the job to another key each time. */
  readonly #retargets = new Map<number, number>();
  #checks = 0;
  #changes = 0;
  #isRepeated = false;
  #isResumed = false;
  #hasWorked = false;
  /** Whether a check has waited for writers as long as it may: later ones only look. */
  #hasWaited = false;
  /** Transactions whose rows the check that finished the job has not seen. */
  #openWriters: string | undefined;
  #job: Job | undefined;
  #totals: JobTotals = { readRows: 0, reencrypted: 0, alreadyCurrent: 0, nulls: 0, empty: 0, left: 0 };
  #totalsAt = 0;

  /** `others`: the other columns of the list, whose contexts this one must leave as they are. */
  constructor(
    database: DatabaseAddress,
    checked: CheckedColumn,
    others: readonly ColumnSpec[],
    keys: RingKeys,
    options: WorkerOptions,
  ) {
    this.#database = database;
    this.#checked = checked;
    this.#others = others;
    this.#keys = keys;
    this.#watch = new RingWatch(keys);
    this.#options = options;
    this.#stop = AbortSignal.any([this.#failed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    this.#connection = new LastingConnection(database, this.#stop);
    this.#limits = { rows: options.batchRows ?? MOST_BATCH_ROWS, bytes: options.batchBytes ?? 4 * 1024 * 1024 };
    const onWait = ({ detail }: Wait) => {
      this.#show(detail);
    };
    const { ownQuery } = options;
    this.#pacer = new Pacer(
      checked.column,
      { mostRows: this.#limits.rows, ownQuery },
      this.#stop,
      onWait,
      options.clock,
    );
  }

  get changedBrakes(): Partial<Brakes> {
    return this.#pacer.changed;
  }

  get #column(): Column {
    return this.#checked.column;
  }

  get #longestWait(): number {
    return this.#options.longestWait ?? LONGEST_WAIT;
  }

  /** Whether code of the table runs with its updates, which may write rows of any other one. */
  get firesTriggers(): boolean {
    return this.#options.triggers === 'fire' && this.#column.triggers.length > 0;
  }

  /** Reads the table again as the last check did, for rows that others have written since, and brings these. */
  async checkAgain(): Promise<ReencryptReport> {
    this.#checks = 0;
    await this.#connection.during(async (session) => {
      if (this.#job !== undefined) await reopenJob(session, this.#job);
    });
    return this.run();
  }

  /** Ends with the job, or at the end of each batch once the signal is aborted. */
  async run(): Promise<ReencryptReport> {
    try {
      return await this.#run();
    } catch (error) {
      throw this.#job === undefined ? error : withWayOn(error);
    } finally {
      await this.#connection.close();
    }
  }

  async #run(): Promise<ReencryptReport> {
    const { startOver = false, connections = 2, brakes = {}, ownQuery } = this.#options;
    for (;;) {
      const former = this.#job;
      const isFirst = former === undefined;
      const job = await this.#connection.during(async (session) => {
        if (isFirst && ownQuery != null) await requireQuery(session, ownQuery);
        return openJob(session, this.#column, {
          target: this.#keys.requireTarget().number,
          startOver: startOver && isFirst,
          former,
          brakes: isFirst ? brakes : undefined,
          onWait: (detail) => {
            this.#show(detail);
          },
        });
      });
      if (this.#hasWorked && former?.pass === job.pass) this.#changes = 0;
      this.#hasWorked = false;
      this.#job = job;
      if (isFirst) {
        this.#isResumed = job.isResumed;
        if (ownQuery != null && job.isResumed && job.hasOtherQuery === true) await this.#tellWhoAsks();
      }
      await this.#runWorkers(job, connections);
      if (this.#isChanged) {
        await this.#lookAgain();
        continue;
      }
      const report = await this.#connection.during((session) => this.#report(session, job));
      if (!report.isFinished || this.#stop.aborted || !(await this.#isOutdated(report.keyNumber))) return report;
    }
  }

  async #tellWhoAsks(): Promise<void> {
    const wait = await this.#connection.during(whyNotAsk);
    if (wait !== undefined) this.#options.onQueryNotAsked?.(wait.detail);
  }

  async #report(session: Connection, job: Job): Promise<ReencryptReport> {
    const { isFinished, target } = await jobState(session, this.#column, job);
    return {
      table: this.#column.spec.table,
      ...namedColumn(this.#column),
      // Every connection ends with the finished job, unless it was stopped. Another process may have begun it again since.
      isFinished: !this.#stop.aborted || isFinished,
      keyNumber: target,
      isResumed: this.#isResumed,
      ownReencrypted: this.#reencrypted,
      totals: await jobTotals(session, job),
      left: await leftRows(session, job),
      waited: this.#pacer.waited,
      ...(this.#openWriters === undefined ? {} : { openWriters: this.#openWriters }),
    };
  }

  async #lookAgain(): Promise<void> {
    this.#isChanged = false;
    this.#changes += 1;
    const { spec, tableId } = this.#column;
    const listed = [spec, ...this.#others];
    const look = () => checkedColumns(this.#database, listed, this.#keys, this.#options.triggers);
    const [checked] = await this.#connection.again(look);
    if (checked?.column.tableId === tableId && this.#changes <= MOST_CHANGES) this.#checked = checked;
    else {
      throw new KeyRotationError(
        'DATABASE_REFUSED',
        `${this.#column.table} was replaced, or altered again and again, while its rows were re-encrypted. Run this again.`,
      );
    }
  }

  /** Whether a rotation has made another key current since the last batches were written. */
  async #isOutdated(number: number): Promise<boolean> {
    await this.#watch.refreshNow();
    const current = this.#keys.target?.number;
    if (current === undefined || current === number) return false;
    this.#countRetarget(number, current);
    return true;
  }

  async #runWorkers(job: Job, connections: number): Promise<void> {
    const ends = await Promise.allSettled(
      Array.from({ length: connections }, async () => {
        try {
          await this.#connection.during((session, onProgress) => this.#workBatches(session, job, onProgress));
        } catch (error) {
          this.#failed.abort();
          throw error;
        }
      }),
    );
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  async #workBatches(session: Connection, job: Job, onProgress: () => void): Promise<void> {
    const { legacy = true } = this.#options;
    const settings = this.#options.triggers === 'skip' ? [SKIP_TRIGGERS] : [];
    const [ended, onEnded] = [this.#ended, onProgress];
    const { now, mostLeft } = this.#options;
    const longestWait = this.#longestWait;
    const work: BatchWork = {
      session,
      checked: this.#checked,
      job,
      keys: this.#keys,
      limits: this.#limits,
      mostLeft,
      legacy,
      now,
      longestWait,
      settings,
      ended,
      onEnded,
    };
    let preferred = 0;
    for (;;) {
      const rows = await this.#pacer.beforeBatch(session, job);
      if (this.#stop.aborted || this.#isChanged) return;
      await this.#watch.beforeBatch();
      const startedAt = this.#pacer.now();
      const step = await workBatch({ ...work, limits: { ...this.#limits, rows } }, preferred);
      this.#pacer.afterBatch(rows, step.kind === 'worked' ? step.result.rows : 0, this.#pacer.now() - startedAt);
      if (step.kind === 'worked') {
        preferred = step.result.range.n;
        this.#hasWorked = true;
        onProgress();
        await this.#tell(session, job, step.result);
      } else if (step.kind === 'locked') await this.#pacer.afterLockTimeout(step.lock, startedAt, longestWait);
      else if (step.kind === 'other target') await this.#followRing(session, job, step.target);
      else if (step.kind === 'changed') this.#isChanged = true;
      else if (await this.#cutRange(session, job)) continue;
      else if ((await jobState(session, this.#column, job)).isFinished) return;
      else await this.#check(work);
    }
  }

  /** A policy that was put on the table between two batches denies this read: the checks then say so in their words. */
  async #cutRange(session: Connection, job: Job): Promise<boolean> {
    const startedAt = this.#pacer.now();
    const longestWait = this.#longestWait;
    try {
      const cut = await cutRange(session, this.#checked, job, this.#options.rangeRows ?? 20_000, longestWait);
      this.#isChanged ||= cut === 'changed';
      return cut !== 'none';
    } catch (error) {
      if (hasWaitedInVain(error)) {
        await this.#pacer.afterLockTimeout(lockOn(this.#column.table), startedAt, longestWait);
      } else if (isDenied(error)) this.#isChanged = true;
      else throw error;
      return true;
    }
  }

  /** Looks whether every row is done. Other processes may hold what is left: they finish it, or die and release it. */
  async #check(work: BatchWork): Promise<void> {
    if (!(await isReadyForCheck(work.session, work.job))) {
      await sleep(PAUSE);
      return;
    }
    const openWriters = await this.#waitForWriters(work.session);
    if (this.#stop.aborted) return;
    const startedAt = this.#pacer.now();
    let watch: Connection | undefined;
    // The session of the check sees the brakes of its snapshot only.
    const connect = async () => (watch ??= await this.#connection.open());
    const checked = await checkJob(
      work,
      {
        isLast: this.#checks >= MOST_CHECKS,
        mayRepeat: !this.#isRepeated,
        mostFound: this.#options.mostFound,
        rangeBytes: this.#options.rangeBytes,
        mayRead: () => this.#pacer.beforeRange(connect, work.job),
      },
      this.#stop,
    ).finally(async () => {
      if (watch !== undefined) await this.#connection.keep(watch);
    });
    if (checked.kind === 'other target') await this.#followRing(work.session, work.job, checked.target);
    else if (checked.kind === 'finished') this.#openWriters = openWriters;
    else if (checked.kind === 'found') this.#checks += 1;
    else if (checked.kind === 'begun again') this.#isRepeated = true;
    else if (checked.kind === 'changed') this.#isChanged = true;
    else if (checked.kind === 'locked')
      await this.#pacer.afterLockTimeout(lockOn(this.#column.table), startedAt, this.#longestWait);
    else await sleep(PAUSE);
  }

  /** So that the snapshot of the check has their rows. Gives those that are still open. */
  async #waitForWriters(session: Connection): Promise<string | undefined> {
    const { tableId, table } = this.#column;
    const timeout = this.#hasWaited ? 0 : this.#options.writersTimeout;
    const onWait = (_: string, writers: string) => {
      this.#show(`transactions that have written to ${table}: ${writers}`);
    };
    const wait = { timeout, onWait, signal: this.#stop };
    try {
      const open = (await waitForWriters(session, { ids: [tableId] }, wait)).get(tableId);
      this.#hasWaited ||= open !== undefined;
      return open?.writers;
    } catch (error) {
      if (!this.#stop.aborted) throw error;
      return undefined;
    }
  }

  /** The job and this process's picture of the ring differ: the ring itself decides. */
  async #followRing(session: Connection, job: Job, target: number): Promise<void> {
    await this.#keys.refresh();
    const { number } = this.#keys.requireTarget();
    // Of several connections that see it at once, one turns the job.
    if (number !== target && (await retargetJob(session, job, target, number))) this.#countRetarget(target, number);
  }

  #countRetarget(from: number, to: number): void {
    const retargets = (this.#retargets.get(to) ?? 0) + 1;
    this.#retargets.set(to, retargets);
    if (retargets > MOST_RETARGETS) {
      throw new KeyRotationError(
        'JOB_DIFFERS',
        `Other processes bring the rows to key ${from}, and this one sees key ${to} as current, again and again. ` +
          'Check that all of them read the same secret, in the region of the original. Stop them, then run one.',
      );
    }
  }

  async #tell(session: Connection, job: Job, { readRows, reencrypted }: BatchResult): Promise<void> {
    this.#readRows += readRows;
    this.#reencrypted += reencrypted;
    if (this.#options.onBatch === undefined) return;
    if (Date.now() - this.#totalsAt >= TOTALS_INTERVAL) {
      this.#totalsAt = Date.now();
      this.#totals = await jobTotals(session, job);
    }
    this.#show(undefined);
  }

  #show(waitsFor: string | undefined): void {
    this.#options.onBatch?.({
      column: this.#column,
      readRows: this.#readRows,
      reencrypted: this.#reencrypted,
      totals: this.#totals,
      waitsFor,
      maxRowsPerSecond: this.#pacer.brakes.maxRowsPerSecond,
    });
  }
}
