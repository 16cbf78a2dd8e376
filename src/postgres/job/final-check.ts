import { DatabaseFailure, hasWaitedInVain, isOfValues, isWorthAnotherTry } from '../connection/database-error.ts';
import type { BatchWork } from './batch.ts';
import { holdTable } from '../catalog/look-up-table.ts';
import { requireOnlyTables } from '../catalog/table-locks.ts';
import { placeOf, readAround, tryReading } from '../damaged-rows.ts';
import { HEAP_ONLY, heapRanges, scanRange, type HeapRange } from '../heap-scan.ts';
import type { ScannedRow } from '../row-reader.ts';
import { writtenByOthers } from './own-writes.ts';
import { tableState } from './table-state.ts';
import { isFoundAgain, jobTotals, listedRows, MOST_LEFT_ROWS, MOST_REFUSED_ROWS, repeatPass, type Job } from './job.ts';
import { verdictOn, type LeftRow } from './plan-rows.ts';
import { LIST_LEFT } from './ranges.ts';
import { keysOutOfReach, outOfOrder } from '../read-rows.ts';
import type { Column } from '../catalog/column.ts';
import type { Connection } from '../connection/database.ts';

const RANGE_ROWS = 2000;

/** Their numbers are looked up for each row of the table: a million of them take some 50 MB of the server's memory. */
const OWN_TRANSACTIONS_IN_MEMORY = "SET LOCAL work_mem = '256MB'";

/** What a check came to. `waiting`: ranges are still open, another process checks, or a brake holds it. `changed`, `locked`: see `Step`. */
export type Checked =
  | { readonly kind: 'finished' | 'found' | 'begun again' | 'waiting' | 'changed' | 'locked' }
  /** The job's rows are re-encrypted under another number than the ring's current one. */
  | { readonly kind: 'other target'; readonly target: number };

interface CheckOptions {
  /** No check follows: the rows that this one finds are listed. */
  readonly isLast: boolean;
  /** All rows may be begun again where very many are found. */
  readonly mayRepeat: boolean;
  /** Most rows that one check hands out; where there are as many, they are very many. Default: 100,000. */
  readonly mostFound?: number | undefined;
  readonly rangeBytes?: number | undefined;
  /** Is called before each range. `false`: the check ends, and its snapshot with it. */
  readonly mayRead?: () => Promise<boolean>;
}

/** Locks the job. */
const READY = `
  FROM pazpaz_keys.job
 WHERE id = $1 AND is_cut AND finished_at IS NULL
   AND NOT EXISTS (SELECT FROM pazpaz_keys.range WHERE job_id = $1 AND is_open)
   FOR NO KEY UPDATE SKIP LOCKED`;

/** Whether nothing is left but a check, and no other process is about it. */
export async function isReadyForCheck(session: Connection, { id }: Job): Promise<boolean> {
  return (await session.rows(`SELECT ${READY}`, [id])).length > 0;
}

/**
 * Once all ranges of a job are done, reads the whole table as a census does, in one snapshot and without any index, and
 * opens every row that the job itself did not write last. Where each is as wanted, or listed as left, the job is finished.
 * Rows that are not (written under an older key meanwhile, or missed by a damaged index) become ranges of their own.
 * `isLast`: they are listed instead (`WRITTEN_MEANWHILE`). `mayRepeat`: where they are very many, the job's rows are begun
 * again. Not twice, since an index that hides rows hides them again, and their keys may lead to them. What the server
 * cannot read is listed, and what was written meanwhile and cannot be re-encrypted. What is listed and left no longer is
 * removed from the list, and those beside it are counted again.
 *
 * One process checks at a time: it holds the job's row. Throws `INVALID_COLUMN` where a row cannot be reached by its key.
 */
export async function checkJob(work: BatchWork, options: CheckOptions, stop: AbortSignal): Promise<Checked> {
  const { session } = work;
  try {
    return await session.transaction(() => check(work, options, stop), {
      mode: 'ISOLATION LEVEL REPEATABLE READ, READ WRITE',
      // The snapshot must not be older than the lock: it would show rows from before a change of the table.
      settings: [...work.checked.locks.forReading],
      longestWait: work.longestWait,
    });
  } catch (error) {
    if (hasWaitedInVain(error)) return { kind: 'locked' };
    // Another process has changed the job since this snapshot.
    if (isWorthAnotherTry(error)) return { kind: 'waiting' };
    throw error;
  }
}

async function check(
  { session, checked, job, keys, legacy = true, mostLeft = MOST_LEFT_ROWS }: BatchWork,
  { isLast, mayRepeat, mostFound = 100_000, rangeBytes, mayRead = () => Promise.resolve(true) }: CheckOptions,
  stop: AbortSignal,
): Promise<Checked> {
  const { column, state } = checked;
  const [found] = await session.rows(`SELECT target, ranges ${READY}`, [job.id]);
  const target = keys.requireTarget();
  if (found === undefined) return { kind: 'waiting' };
  if ((await tableState(session, column)) !== state) return { kind: 'changed' };
  await holdTable(session, column.tableId, column.table, column.ownRows);
  if (Number(found[0]) !== target.number) return { kind: 'other target', target: Number(found[0]) };
  const listed = await listedRows(session, job);
  const known = new Set([...listed].filter(([, code]) => isFoundAgain(code)).map(([name]) => name));
  const others = listed.size - known.size;
  const still = new Set<string>();
  const rows = new Map<string, readonly string[]>();
  const unlisted = new Map<string, LeftRow>();
  const damaged: LeftRow[] = [];
  let total = 0;
  let hasReadAll = false;
  // Refused rows beyond those that are kept by key would be found again and again.
  if (known.size < MOST_REFUSED_ROWS) {
    const where = await writtenByOthers(session, column, job);
    await session.change([...HEAP_ONLY, OWN_TRANSACTIONS_IN_MEMORY].join('; '));
    const isLeft = (row: ScannedRow) => {
      if (rows.size >= mostFound) return false;
      const verdict = verdictOn(column, row, keys, target, legacy);
      if (verdict.kind !== 'to change' && verdict.kind !== 'left') return false;
      const { key } = row;
      const name = JSON.stringify(key);
      if (verdict.kind === 'to change') {
        if (known.has(name)) still.add(name);
        else rows.set(name, key);
        return known.has(name);
      }
      if (listed.get(name) === verdict.code) still.add(name);
      // Another reason takes the place of the former one. Where the list is full, other rows are left without being on it.
      else if (listed.has(name) || others + unlisted.size < mostLeft) unlisted.set(name, { key, code: verdict.code });
      return true;
    };
    const read = async (part: Column, places: HeapRange) => {
      let left = 0;
      const onRow = (row: ScannedRow) => {
        if (isLeft(row)) left += 1;
      };
      await scanRange(session, part, places, onRow, where);
      // Not where that failed: its rows are read again.
      total += left;
    };
    for (const range of await heapRanges(session, column, rangeBytes)) {
      if (!(await mayRead()) || stop.aborted) return { kind: 'waiting' };
      for await (const damage of readAround(session, column, range, read)) {
        const key = damage.key ?? [placeOf(damage)];
        const name = JSON.stringify(key);
        total += 1;
        if (known.has(name)) still.add(name);
        else if (listed.has(name) || damaged.length < MOST_REFUSED_ROWS)
          damaged.push({ key, code: `DATABASE:${damage.error.state ?? ''}` });
      }
      if (rows.size >= mostFound) break;
    }
    hasReadAll = rows.size < mostFound;
  }
  // A table that had the name for a while has given no row (`scanRange`), and its lock is still there.
  await requireOnlyTables(session, [session], [column], 'pazpaz_keys');
  const gone = hasReadAll ? [...listed.keys()].filter((name) => !still.has(name)) : [];
  const list = { left: [...unlisted.values(), ...damaged], gone };
  if (rows.size === 0) {
    await listLeft({ session, job }, Number(found[1]), { ...list, total: hasReadAll ? total : undefined });
    await session.change('UPDATE pazpaz_keys.job SET finished_at = now() WHERE id = $1', [job.id]);
    return { kind: 'finished' };
  }
  // Types are named from here on. Until now rows of another table were none, and a long check kept no schema's name.
  for (const lock of checked.locks.names) await session.change(lock);
  if ((await tableState(session, column)) !== state) return { kind: 'changed' };
  const left = [...rows.values()];
  // Where the server cannot read what a key leads to, or the key itself any more, the batch that looks it up acts on it.
  const look = await tryReading(session, () => keysOutOfReach(session, column, left), [], isUnread);
  if ('value' in look && look.value > 0) throw outOfOrder(column, look.value);
  if (rows.size >= mostFound && mayRepeat && !isLast) {
    await repeatPass(session, job, target.number);
    return { kind: 'begun again' };
  }
  const ranges = await listLeft({ session, job }, Number(found[1]), list);
  if (isLast) {
    const written = left.map((key) => ({ key, code: 'WRITTEN_MEANWHILE' as const }));
    await listLeft({ session, job }, ranges, { left: written, gone: [] });
  } else await handOut({ session, job }, ranges, left);
  return { kind: 'found' };
}

function isUnread(error: unknown): error is DatabaseFailure {
  return error instanceof DatabaseFailure && isOfValues(error);
}

type JobOf = Pick<BatchWork, 'session' | 'job'>;

async function handOut({ session, job }: JobOf, ranges: number, keys: readonly (readonly string[])[]): Promise<void> {
  let n = ranges;
  for (let from = 0; from < keys.length; from += RANGE_ROWS) {
    n += 1;
    await session.change('INSERT INTO pazpaz_keys.range (job_id, n, is_read, again) VALUES ($1, $2, true, $3::jsonb)', [
      job.id,
      n,
      JSON.stringify(keys.slice(from, from + RANGE_ROWS)),
    ]);
  }
  await session.change('UPDATE pazpaz_keys.job SET ranges = $2 WHERE id = $1', [job.id, n]);
}

/** `$2`: keys of the job's list, as an array in JSON. */
const UNLIST = `
  DELETE FROM pazpaz_keys.left_row l USING jsonb_array_elements($2::jsonb) k(key) WHERE l.job_id = $1 AND l.key = k.key`;

interface ListChange {
  readonly left: readonly LeftRow[];
  /** Keys in JSON whose rows are left no longer. */
  readonly gone: readonly string[];
  /** How many rows are left, those beside the list included. */
  readonly total?: number | undefined;
}

/** In a range that is done. Gives the number of ranges. */
async function listLeft({ session, job }: JobOf, ranges: number, { left, gone, total }: ListChange): Promise<number> {
  let removed = 0;
  for (let from = 0; from < gone.length; from += RANGE_ROWS) {
    removed += await session.change(UNLIST, [job.id, `[${gone.slice(from, from + RANGE_ROWS).join(',')}]`]);
  }
  const more = total === undefined ? left.length - removed : total - (await jobTotals(session, job)).left;
  if (left.length === 0 && more === 0) return ranges;
  const n = ranges + 1;
  await session.change(
    'INSERT INTO pazpaz_keys.range (job_id, n, is_read, is_open, left_rows) VALUES ($1, $2, true, false, $3)',
    [job.id, n, more],
  );
  for (let from = 0; from < left.length; from += RANGE_ROWS) {
    await session.change(LIST_LEFT, [job.id, JSON.stringify(left.slice(from, from + RANGE_ROWS))]);
  }
  await session.change('UPDATE pazpaz_keys.job SET ranges = $2 WHERE id = $1', [job.id, n]);
  return n;
}
