import type { Column } from '../catalog/column.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';
import {
  isLostConnection,
  isOfRow,
  isOutOfDate,
  isShortInFunction,
  isWorthAnotherTry,
} from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';
import type { CheckedColumn } from './checked-columns.ts';
import type { EndedBatches } from './ended-batches.ts';
import type { Job } from './job.ts';
import { planRows, type LeftRow, type Plan } from './plan-rows.ts';
import { tableState } from './table-state.ts';
import { claimRange, recordBatch, type BatchResult, type Range } from './ranges.ts';
import { readBatch, readRows, type BatchLimits } from '../read-rows.ts';
import type { StoredRow } from '../row-reader.ts';
import type { RingKeys } from '../all-keys.ts';
import type { TargetKey } from '../known-keys.ts';
import { writeAcceptedRows, writeRows, type RowChange, type Written } from './write-rows.ts';

/** How often a range whose last rows are all held by other transactions is tried, about a minute, before they are left. */
const MOST_TRIES = 35;

/** How often a batch is tried whose transaction PostgreSQL ended to resolve a deadlock. */
const MOST_ATTEMPTS = 10;

export type Step =
  | { readonly kind: 'worked'; readonly result: BatchResult }
  /** The job's rows are re-encrypted under another number than the ring's current one. */
  | { readonly kind: 'other target'; readonly target: number }
  /** The table, or what its updates set off, is not what was looked up. */
  | { readonly kind: 'changed' }
  /** No range is free. */
  | { readonly kind: 'none' };

export interface BatchWork {
  readonly session: Connection;
  readonly checked: CheckedColumn;
  readonly job: Job;
  readonly keys: RingKeys;
  readonly limits: BatchLimits;
  /** Whether rows from before this system are brought too. Default: true. */
  readonly legacy?: boolean;
  /** The time by which the ring is kept. Default: the system's. */
  readonly now?: (() => Date) | undefined;
  /** Settings of each batch's transaction. */
  readonly settings?: readonly string[];
  readonly ended?: EndedBatches;
  /** Is called where what writes a batch was ended, and a smaller one is to be tried. */
  readonly onEnded?: () => void;
}

/** All in one transaction. `preferred`: the range of the batch before. */
export async function workBatch(work: BatchWork, preferred: number): Promise<Step> {
  let write: Write = writeRows;
  for (let attempt = 1; ; attempt += 1) {
    let begun: { readonly range: Range; readonly rows: number } | undefined;
    const onBegin = (range: Range, rows: number) => {
      begun = { range, rows };
    };
    try {
      const step = await work.session.transaction(() => batch(work, preferred, write, onBegin), {
        settings: [...(work.settings ?? []), ...work.checked.locks.forBatch],
      });
      if (step.kind === 'worked') work.ended?.done(step.result);
      return step;
    } catch (error) {
      if (error instanceof TableAltered) return { kind: 'changed' };
      if ((isOfRow(error) || isShortInFunction(error)) && write === writeRows) {
        write = writeAcceptedRows;
        continue;
      }
      if (begun !== undefined && work.ended?.add(begun.range, begun.rows, error) === true) {
        // What the server lacks may come back: it is tried again after ever longer pauses.
        if (!isShortInFunction(error)) work.onEnded?.();
        if (!isLostConnection(error)) continue;
      }
      // A trigger of the table may wait for the application's locks, and lose.
      if (!isWorthAnotherTry(error) || attempt >= MOST_ATTEMPTS) throw error;
      // Where rows move between partitions all the time, each attempt meets one: they are found, and tried again later.
      if (isOutOfDate(error) && attempt >= 2) write = writeAcceptedRows;
    }
  }
}

/** The batch is undone. */
class TableAltered extends Error {}

type Write = (session: Connection, column: Column, changes: readonly RowChange[]) => Promise<Written>;

/** `onBegin`: is called before code of the table may run, with the number of rows. */
async function batch(
  work: BatchWork,
  preferred: number,
  write: Write,
  onBegin: (range: Range, rows: number) => void,
): Promise<Step> {
  const { session, job, keys } = work;
  const { column, state } = work.checked;
  const range = await claimRange(session, job, preferred);
  if (range === undefined) return { kind: 'none' };
  if ((await tableState(session, column)) !== state) return { kind: 'changed' };
  const target = keys.requireTarget();
  if (range.target !== target.number) return { kind: 'other target', target: range.target };
  const { rows = work.limits.rows, leave } = work.ended?.limit(range, work.limits.rows) ?? {};
  const limits = { ...work.limits, rows };
  const reading = range.isRead
    ? await readAgain(session, column, range, limits)
    : await readOn(session, column, range, limits);
  onBegin(range, reading.rows.length);
  const result = await handle(work, range, target, reading, leave === undefined ? write : leaving(leave));
  // A trigger may have come before the first write, of a partition also after it.
  const { locks } = work.checked;
  if (!locks.keepTriggers && result.reencrypted > 0 && (await tableState(session, column)) !== state)
    throw new TableAltered();
  // No lock of the table keeps its owner from a new cast or a new CHECK of a domain: such a batch is undone.
  await requireOwnCode(session, column.tableId, column.spec);
  await recordBatch(session, job, result);
  return { kind: 'worked', result };
}

function leaving(reason: string): Write {
  return (_session, _column, changes) =>
    Promise.resolve({ written: 0, lost: [], refused: changes.map((change) => ({ change, reason })) });
}

interface Reading {
  readonly rows: readonly StoredRow[];
  readonly reached: readonly string[] | undefined;
  readonly isRead: boolean;
  /** Keys that wait to be tried again, and are not among the rows. */
  readonly waiting: readonly (readonly string[])[];
}

async function readOn(session: Connection, column: Column, range: Range, limits: BatchLimits): Promise<Reading> {
  const rows = await readBatch(session, column, { after: range.reached, upTo: range.upTo }, limits);
  const last = rows.at(-1)?.key;
  return {
    rows,
    reached: last ?? range.reached,
    isRead: last === undefined || isSameKey(last, range.upTo),
    waiting: range.again,
  };
}

async function readAgain(session: Connection, column: Column, range: Range, limits: BatchLimits): Promise<Reading> {
  const { rows, keysRead } = await readRows(session, column, range.again, limits);
  return { rows, reached: range.reached, isRead: true, waiting: range.again.slice(keysRead) };
}

async function handle(
  { session, checked: { column, writesAlone }, keys, legacy, now = () => new Date() }: BatchWork,
  range: Range,
  target: TargetKey,
  { rows, reached, isRead, waiting }: Reading,
  write: Write,
): Promise<BatchResult> {
  const plan = planRows(column, rows, keys, target, legacy);
  // Encrypting takes most of the time of a batch, and a cast or a CHECK of a domain may have been added in it.
  await requireOwnCode(session, column.tableId, column.spec);
  const { written, lost, refused } = await write(session, column, plan.changes);
  const busy = lost.map(({ key }) => key);
  const isVain = range.isRead && busy.length > 0 && busy.length === rows.length;
  const isGivenUp = isVain && range.tries >= MOST_TRIES;
  const left: LeftRow[] = [
    ...plan.left,
    ...refused.map(({ change, reason }) => ({ key: change.key, code: `DATABASE:${reason}` as const })),
    ...(isGivenUp ? busy.map((key) => ({ key, code: 'ROW_BUSY' as const })) : []),
  ];
  return {
    range,
    reached,
    isRead,
    again: isGivenUp ? waiting : [...waiting, ...busy],
    tries: isVain ? range.tries + 1 : 0,
    rows: rows.length,
    readRows: range.isRead ? 0 : rows.length,
    reencrypted: written,
    sources: written === 0 ? {} : Object.fromEntries([...plan.sources].map((number) => [number, now().toISOString()])),
    ...counts(plan),
    left,
    wroteAlone: writesAlone,
  };
}

function counts({ alreadyCurrent, nulls, empty }: Plan) {
  return { alreadyCurrent, nulls, empty };
}

function isSameKey(key: readonly string[], other: readonly string[] | undefined): boolean {
  return other !== undefined && key.every((value, index) => value === other[index]);
}
