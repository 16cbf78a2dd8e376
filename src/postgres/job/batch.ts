import type { Column } from '../catalog/column.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';
import {
  hasWaitedInVain,
  isDamage,
  isDenied,
  isFullQueue,
  isLostConnection,
  isOfRow,
  isOutOfDate,
  isShortAtCommit,
  isShortInFunction,
  isWorthAnotherTry,
} from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';
import { keysAround, tryReading } from '../damaged-rows.ts';
import type { CheckedColumn } from './checked-columns.ts';
import type { EndedBatches } from './ended-batches.ts';
import type { Job } from './job.ts';
import { planRows, type LeftRow, type Plan } from './plan-rows.ts';
import { tableState } from './table-state.ts';
import { claimRange, passRows, recordBatch, repeatWithoutKeys, type BatchResult, type Range } from './ranges.ts';
import { keyAhead, readBatch, readRows, type BatchLimits } from '../read-rows.ts';
import { listedKey, type StoredRow } from '../row-reader.ts';
import type { RingKeys } from '../all-keys.ts';
import type { TargetKey } from '../known-keys.ts';
import { writeAcceptedRows, writeRows, type RowChange, type Written } from './write-rows.ts';

/** How often a range whose last rows are all held by other transactions is tried, about a minute, before they are left. */
const MOST_TRIES = 35;

/** Rows that are passed over at once, where a row before them cannot be read. */
const MOST_PASSED = 2000;

/** Each row comes along the key's index, and no other row is touched, whatever was planned before. */
const BY_KEY = [
  'SET LOCAL enable_seqscan = off',
  'SET LOCAL enable_bitmapscan = off',
  'SET LOCAL plan_cache_mode = force_custom_plan',
];

/** Those that code of the table took for the session, and has not given back, would keep other sessions out. */
const FREE_LOCKS = 'SELECT pg_catalog.pg_advisory_unlock_all()';

/** How often a batch is tried whose transaction PostgreSQL ended to resolve a deadlock. */
const MOST_ATTEMPTS = 10;

/** Those of a transaction that failed stay in the queue, and others find no room, until a session asks how full it is. */
const FREE_NOTIFICATIONS = 'SELECT pg_catalog.pg_notification_queue_usage()';

export type Step =
  | { readonly kind: 'worked'; readonly result: BatchResult }
  /** The job's rows are re-encrypted under another number than the ring's current one. */
  | { readonly kind: 'other target'; readonly target: number }
  /** The table, or what its updates set off, is not what was looked up. */
  | { readonly kind: 'changed' }
  /** A lock did not come in time, and nothing was kept. `lock`: which, for people. */
  | { readonly kind: 'locked'; readonly lock: string }
  /** No range is free. */
  | { readonly kind: 'none' };

export interface BatchWork {
  readonly session: Connection;
  readonly checked: CheckedColumn;
  readonly job: Job;
  readonly keys: RingKeys;
  readonly limits: BatchLimits;
  /** Most rows that are remembered by key where they are left untouched. Default: `MOST_LEFT_ROWS`. */
  readonly mostLeft?: number | undefined;
  /** Whether rows from before this system are brought too. Default: true. */
  readonly legacy?: boolean;
  /** The time by which the ring is kept. Default: the system's. */
  readonly now?: (() => Date) | undefined;
  /** Milliseconds for which a transaction waits for a lock. Default: without end. */
  readonly longestWait?: number | undefined;
  /** Settings of each batch's transaction. */
  readonly settings?: readonly string[];
  readonly ended?: EndedBatches;
  /** Is called where what writes a batch was ended, and a smaller one is to be tried. */
  readonly onEnded?: () => void;
}

/** All in one transaction. `preferred`: the range of the batch before. */
export async function workBatch(work: BatchWork, preferred: number): Promise<Step> {
  let write: Write = writeRows;
  let read = readNext;
  for (let attempt = 1; ; attempt += 1) {
    const begun: Begun = {};
    try {
      const step = await work.session.transaction(() => batch(work, preferred, { read, write }, begun), {
        settings: [
          ...(work.settings ?? []),
          ...(read === readAroundDamage ? BY_KEY : []),
          ...work.checked.locks.forBatch,
        ],
        longestWait: work.longestWait,
      });
      if (step.kind === 'worked') work.ended?.done(step.result);
      return step;
    } catch (error) {
      if (error instanceof TableAltered || (await hasOutdatedKeys(work, begun, error))) return { kind: 'changed' };
      if (hasWaitedInVain(error)) {
        await work.session.rows(FREE_LOCKS);
        return { kind: 'locked', lock: lockOf(work.checked.column, begun) };
      }
      if (isDamage(error) && read === readNext) {
        read = readAroundDamage;
        continue;
      }
      if ((isOfRow(error) || isShortInFunction(error)) && write === writeRows) {
        write = writeAcceptedRows;
        continue;
      }
      const { range, rows, isLeft = false } = begun;
      if (range !== undefined && rows !== undefined && work.ended?.add(range, { rows, isLeft }, error) === true) {
        // What the server lacks may come back: it is tried again after ever longer pauses. There may be room for fewer.
        const isTooMuch = isShortAtCommit(error);
        if (isFullQueue(error)) await freeNotifications(work.session);
        if (!isShortInFunction(error) && !(isTooMuch && rows === 1)) work.onEnded?.();
        if (!isLostConnection(error) || (isTooMuch && rows > 1)) continue;
      }
      // A trigger of the table may wait for the application's locks, and lose.
      if (!isWorthAnotherTry(error) || attempt >= MOST_ATTEMPTS) throw error;
      // Where rows move between partitions all the time, each attempt meets one: they are found, and tried again later.
      if (isOutOfDate(error) && attempt >= 2) write = writeAcceptedRows;
    }
  }
}

/** Our own statements wait for the table alone, before any row is read. */
function lockOf({ table, triggers }: Column, { rows }: Begun): string {
  if (rows === undefined) return lockOn(table);
  const names = triggers.map(({ name }) => name).join(', ');
  return `a lock that ${names === '' ? 'code' : names} of ${table} needs and another session holds`;
}

export function lockOn(table: string): string {
  return `a lock on ${table}, which another session holds`;
}

/** Where our role may not ask, they stay until another session has asked. */
async function freeNotifications(session: Connection): Promise<void> {
  try {
    await session.rows(FREE_NOTIFICATIONS);
  } catch (error) {
    if (!isDenied(error)) throw error;
  }
}

/** How far a batch has come. */
interface Begun {
  range?: Range;
  /** How many it has read. Code of the table may run from then on. */
  rows?: number;
  /** Whether its row is left as it is. */
  isLeft?: boolean;
}

/** Whether what the range keeps of its rows led to none of them any more, and they were begun again. */
async function hasOutdatedKeys({ session, checked, job }: BatchWork, begun: Begun, error: unknown): Promise<boolean> {
  const { range, rows } = begun;
  if (range === undefined || rows !== undefined) return false;
  const { reached, upTo, again, pass } = range;
  return repeatWithoutKeys(session, checked, job, { pass, keys: [reached, upTo, ...again] }, error);
}

/** The batch is undone. */
class TableAltered extends Error {}

type Write = (session: Connection, column: Column, changes: readonly RowChange[]) => Promise<Written>;

async function batch(
  work: BatchWork,
  preferred: number,
  { read, write }: { readonly read: Read; readonly write: Write },
  begun: Begun,
): Promise<Step> {
  const { session, job, keys } = work;
  const { column, state } = work.checked;
  const range = await claimRange(session, job, preferred);
  if (range === undefined) return { kind: 'none' };
  begun.range = range;
  if ((await tableState(session, column)) !== state) return { kind: 'changed' };
  const target = keys.requireTarget();
  if (range.target !== target.number) return { kind: 'other target', target: range.target };
  const { rows = work.limits.rows, leave } = work.ended?.limit(range, work.limits.rows) ?? {};
  const limits = { ...work.limits, rows };
  const reading = await read(session, column, range, limits);
  begun.rows = reading.rows.length;
  begun.isLeft = leave !== undefined;
  const result = await handle(work, range, target, reading, leave === undefined ? write : leaving(leave));
  // A trigger may have come before the first write, of a partition also after it.
  const { locks } = work.checked;
  if (!locks.keepTriggers && result.reencrypted > 0 && (await tableState(session, column)) !== state)
    throw new TableAltered();
  // No lock of the table keeps its owner from a new cast or a new CHECK of a domain: such a batch is undone.
  if (column.mayGainCode) await requireOwnCode(session, column.tableId, column.spec);
  await recordBatch(session, job, result, work.mostLeft);
  await passRows(session, job, reading.passed ?? []);
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
  /** The server cannot read it. */
  readonly damaged?: LeftRow;
  /** Keys of rows that are passed over. */
  readonly passed?: readonly (readonly string[])[];
}

type Read = (session: Connection, column: Column, range: Range, limits: BatchLimits) => Promise<Reading>;

const readNext: Read = async (session, column, range, limits) => {
  if (range.isRead) {
    const { rows, keysRead } = await readRows(session, column, range.again, limits);
    return { rows, reached: range.reached, isRead: true, waiting: range.again.slice(keysRead) };
  }
  const rows = await readBatch(session, column, { after: range.reached, upTo: range.upTo }, limits);
  const last = rows.at(-1)?.key;
  return {
    rows,
    reached: last ?? range.reached,
    isRead: last === undefined || isSameKey(last, range.upTo),
    waiting: range.again,
  };
};

/** Reads as many rows as there are before one that the server cannot read, or that one alone. */
const readAroundDamage: Read = async (session, column, range, limits) => {
  for (let rows = limits.rows; rows > 0; rows = Math.floor(rows / 2)) {
    const read = await tryReading(session, () => readNext(session, column, range, { ...limits, rows }));
    if ('value' in read) return read.value;
  }
  if (range.isRead) {
    const [key = [], ...waiting] = range.again;
    return { reached: range.reached, isRead: true, waiting, ...(await readAlone(session, column, key, limits)) };
  }
  const span = { after: range.reached, upTo: range.upTo };
  const next = await tryReading(session, () => keyAhead(session, column, span, 1));
  if ('value' in next && next.value !== undefined) {
    const [reached, isRead] = [next.value, isSameKey(next.value, range.upTo)];
    return { reached, isRead, waiting: range.again, ...(await readAlone(session, column, reached, limits)) };
  }
  // Not even its key can be read. The next rows are found in the table itself, and are looked up by their keys later.
  const keys = await keysAround(session, column, span, { rows: MOST_PASSED });
  const isRead = keys.length < MOST_PASSED;
  const reached = isRead ? range.reached : keys.at(-1);
  return { rows: [], reached, isRead, waiting: range.again, passed: keys };
};

/** The others of a batch may come in another order than that of the key: this row may be one that can be read. */
async function readAlone(
  session: Connection,
  column: Column,
  key: readonly string[],
  limits: BatchLimits,
): Promise<Pick<Reading, 'rows' | 'damaged'>> {
  const read = await tryReading(session, () => readRows(session, column, [key], { ...limits, rows: 1 }));
  if ('value' in read) return { rows: read.value.rows };
  return { rows: [], damaged: { key: listedKey(key), code: `DATABASE:${read.error.state ?? ''}` } };
}

async function handle(
  { session, checked: { column, writesAlone }, keys, legacy, now = () => new Date() }: BatchWork,
  range: Range,
  target: TargetKey,
  { rows, reached, isRead, waiting, damaged }: Reading,
  write: Write,
): Promise<BatchResult> {
  const plan = planRows(column, rows, keys, target, legacy);
  // Encrypting takes most of the time of a batch, and a cast or a CHECK of a domain may have been added in it.
  if (column.mayGainCode) await requireOwnCode(session, column.tableId, column.spec);
  const { written, lost, refused } = await write(session, column, plan.changes);
  const handled = rows.length + (damaged === undefined ? 0 : 1);
  const busy = lost.map(({ key }) => key);
  const isVain = range.isRead && busy.length > 0 && busy.length === rows.length;
  const isGivenUp = isVain && range.tries >= MOST_TRIES;
  const left: LeftRow[] = [
    ...(damaged === undefined ? [] : [damaged]),
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
    rows: handled,
    readRows: range.isRead ? 0 : handled,
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
