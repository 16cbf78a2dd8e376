import type { Column } from './column.ts';
import { isRefusedValue, isWorthAnotherTry } from './database-error.ts';
import type { Session } from './database.ts';
import type { Job } from './job.ts';
import { planRows, type LeftRow, type Plan } from './plan-rows.ts';
import { claimRange, recordBatch, type BatchResult, type Range } from './ranges.ts';
import { readBatch, readRows, type BatchLimits, type StoredRow } from './read-rows.ts';
import type { RingKeys, TargetKey } from './ring-keys.ts';
import { writeAcceptedRows, writeRows, type Change, type Written } from './write-rows.ts';

/** How often rows that somebody else holds are tried, about a minute in all, before they are left. */
const MOST_TRIES = 35;

/** How often a batch is tried whose transaction PostgreSQL broke off to end a deadlock. */
const MOST_ATTEMPTS = 10;

/** What the next step of a lane found. */
export type Step =
  | { readonly kind: 'worked'; readonly result: BatchResult }
  /** The job's rows are brought to another number than the ring's current one. */
  | { readonly kind: 'other target'; readonly target: number }
  /** No range is free. */
  | { readonly kind: 'none' };

/** What a lane works on. */
export interface LaneWork {
  readonly session: Session;
  readonly column: Column;
  readonly job: Job;
  readonly keys: RingKeys;
  readonly limits: BatchLimits;
}

/**
 * One batch: takes a range, reads its next rows, encrypts them, writes them back and writes down how far it came, all
 * in one transaction. `preferred`: the range of the batch before.
 */
export async function workBatch(work: LaneWork, preferred: number): Promise<Step> {
  let write: Write = writeRows;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work.session.transaction(() => batch(work, preferred, write));
    } catch (error) {
      if (isRefusedValue(error) && write === writeRows) write = writeAcceptedRows;
      // A trigger of the table may wait for the application's locks, and lose.
      else if (!isWorthAnotherTry(error) || attempt >= MOST_ATTEMPTS) throw error;
    }
  }
}

type Write = (session: Session, column: Column, changes: readonly Change[]) => Promise<Written>;

async function batch(work: LaneWork, preferred: number, write: Write): Promise<Step> {
  const { session, column, job, keys, limits } = work;
  const range = await claimRange(session, job, preferred);
  if (range === undefined) return { kind: 'none' };
  const target = keys.requireTarget();
  if (range.target !== target.number) return { kind: 'other target', target: range.target };
  const rows = range.isRead
    ? await readRows(session, column, range.again.slice(0, limits.rows))
    : await readBatch(session, column, { after: range.reached, upTo: range.upTo }, limits);
  const result = await handle(work, range, target, rows, write);
  await recordBatch(session, job, result);
  return { kind: 'worked', result };
}

async function handle(
  { session, column, keys, limits }: LaneWork,
  range: Range,
  target: TargetKey,
  rows: readonly StoredRow[],
  write: Write,
): Promise<BatchResult> {
  const plan = planRows(column, rows, keys, target);
  const { written, lost, refused } = await write(session, column, plan.changes);
  const isGivenUp = range.isRead && range.tries >= MOST_TRIES;
  const busy = lost.map(({ key }) => key);
  const left: LeftRow[] = [
    ...plan.left,
    ...refused.map(({ change, reason }) => ({ key: change.key, code: `DATABASE:${reason}` as const })),
    ...(isGivenUp ? busy.map((key) => ({ key, code: 'ROW_BUSY' as const })) : []),
  ];
  const toTryAgain = isGivenUp ? [] : busy;
  const last = rows.at(-1)?.key;
  const reached = range.isRead ? range.reached : (last ?? range.reached);
  return {
    range,
    reached,
    isRead: range.isRead || last === undefined || isSameKey(last, range.upTo),
    again: range.isRead ? [...range.again.slice(limits.rows), ...toTryAgain] : [...range.again, ...toTryAgain],
    readRows: range.isRead ? 0 : rows.length,
    reencrypted: written,
    ...counts(plan),
    left,
  };
}

function counts({ alreadyCurrent, nulls, empty }: Plan) {
  return { alreadyCurrent, nulls, empty };
}

function isSameKey(key: readonly string[], other: readonly string[] | undefined): boolean {
  return other !== undefined && key.every((value, index) => value === other[index]);
}
