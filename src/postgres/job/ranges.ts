import { isDamage, isOfValues } from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';
import type { CheckedColumn } from './checked-columns.ts';
import { keysAround } from '../damaged-rows.ts';
import { isFoundAgain, keyOf, MOST_LEFT_ROWS, MOST_REFUSED_ROWS, repeatOutdatedPass, type Job } from './job.ts';
import type { LeftRow } from './plan-rows.ts';
import { tableState } from './table-state.ts';
import { keyAhead, readKeys } from '../read-rows.ts';

export interface Range {
  readonly n: number;
  /** The key up to which its rows are done. */
  readonly reached: readonly string[] | undefined;
  readonly upTo: readonly string[] | undefined;
  /** Whether all of its rows were read once; what is left are those in `again`. */
  readonly isRead: boolean;
  readonly again: readonly (readonly string[])[];
  /** How often in a row none of them could be had. */
  readonly tries: number;
  readonly target: number;
  readonly pass: number;
}

export interface BatchResult {
  readonly range: Range;
  readonly reached: readonly string[] | undefined;
  readonly isRead: boolean;
  readonly again: readonly (readonly string[])[];
  readonly tries: number;
  /** Rows that were handled, those that are tried again included. */
  readonly rows: number;
  /** Rows that were read for the first time. */
  readonly readRows: number;
  readonly reencrypted: number;
  /** When rows were re-encrypted from a key, by its number and the clock of the ring. */
  readonly sources: Readonly<Record<string, string>>;
  readonly alreadyCurrent: number;
  readonly nulls: number;
  readonly empty: number;
  readonly left: readonly LeftRow[];
  /** Whether every row that the transaction wrote holds what was sealed: nothing else could write in it. */
  readonly wroteAlone: boolean;
}

const LONGEST_PAUSE = 2000;

/**
 * The range worked on last, or one that no process holds (a killed one released it). `undefined` where none is free.
 */
export async function claimRange(session: Connection, job: Job, preferred: number): Promise<Range | undefined> {
  const [found] = await session.rowsByPlan(
    `SELECT r.n, r.reached, r.up_to, r.is_read, r.again, r.tries, j.target, j.pass
       FROM pazpaz_keys.range r JOIN pazpaz_keys.job j ON j.id = r.job_id
      WHERE r.job_id = $1 AND r.is_open AND r.not_before <= now()
      ORDER BY r.n = $2 DESC, r.n LIMIT 1 FOR UPDATE OF r SKIP LOCKED`,
    [job.id, preferred],
  );
  if (found === undefined) return undefined;
  const [n, reached, upTo, isRead, again, tries, target, pass] = found;
  const keys: unknown = JSON.parse(again ?? '[]');
  return {
    n: Number(n),
    reached: reached == null ? undefined : keyOf(reached),
    upTo: upTo == null ? undefined : keyOf(upTo),
    isRead: isRead === 't',
    again: Array.isArray(keys) ? keys.map((key) => (Array.isArray(key) ? key.map(String) : [])) : [],
    tries: Number(tries),
    target: Number(target),
    pass: Number(pass),
  };
}

/**
 * Begins the rows again where `error` came from keys that PostgreSQL spelled so once, and reads as none any more: a label
 * of an enum has another name since, or a domain has another CHECK. Whether that was so.
 */
export async function repeatWithoutKeys(
  session: Connection,
  { column, state, locks }: CheckedColumn,
  job: Job,
  { pass, keys }: { readonly pass: number; readonly keys: readonly (readonly string[] | undefined)[] },
  error: unknown,
): Promise<boolean> {
  if (!isOfValues(error)) return false;
  const stored = keys.filter((key) => key !== undefined);
  const read = async () => {
    // The names of the types must mean what they did.
    if ((await tableState(session, column)) === state) await readKeys(session, column, stored);
  };
  try {
    await session.transaction(read, { settings: locks.forBatch });
    return false;
  } catch (unread) {
    if (!isOfValues(unread)) throw unread;
  }
  await repeatOutdatedPass(session, job, pass);
  return true;
}

/**
 * `none`: nothing is left; `changed`: see `Step`. The last range is open at its end, for rows that are added meanwhile.
 */
export async function cutRange(
  session: Connection,
  checked: CheckedColumn,
  job: Job,
  rows: number,
  longestWait?: number,
): Promise<'cut' | 'none' | 'changed'> {
  const { column, state, locks } = checked;
  let stored = { pass: job.pass, keys: [] as readonly (readonly string[])[] };
  const work = async (ahead: typeof keyAhead) => {
    const [found] = await session.rows(
      'SELECT frontier, ranges, pass FROM pazpaz_keys.job WHERE id = $1 AND NOT is_cut FOR NO KEY UPDATE',
      [job.id],
    );
    if (found === undefined) return 'none';
    if ((await tableState(session, column)) !== state) return 'changed';
    const [frontier, ranges, pass] = found;
    const after = frontier == null ? undefined : keyOf(frontier);
    stored = { pass: Number(pass), keys: after === undefined ? [] : [after] };
    const upTo = await ahead(session, column, { after, upTo: undefined }, rows);
    const end = upTo === undefined ? null : JSON.stringify(upTo);
    const n = Number(ranges) + 1;
    await session.change(
      'INSERT INTO pazpaz_keys.range (job_id, n, reached, up_to) VALUES ($1, $2, $3::jsonb, $4::jsonb)',
      [job.id, n, frontier ?? null, end],
    );
    await session.change(
      'UPDATE pazpaz_keys.job SET ranges = $2, frontier = $3::jsonb, is_cut = $3::jsonb IS NULL WHERE id = $1',
      [job.id, n, end],
    );
    return 'cut';
  };
  const options = { settings: locks.forBatch, longestWait };
  try {
    return await session.transaction(() => work(keyAhead), options);
  } catch (error) {
    if (await repeatWithoutKeys(session, checked, job, stored, error)) return 'changed';
    if (!isDamage(error)) throw error;
    return session.transaction(() => work(keyAheadAround), options);
  }
}

const keyAheadAround: typeof keyAhead = async (session, column, span, rows) =>
  (await keysAround(session, column, span, { offset: rows - 1, rows: 1 }))[0];

/**
 * Has rows looked up by their keys later, as a range of their own. Its number is that of the transaction: no two batches
 * choose the same, and none waits for the job's row.
 */
export async function passRows(session: Connection, job: Job, keys: readonly (readonly string[])[]): Promise<void> {
  if (keys.length === 0) return;
  await session.change(
    `INSERT INTO pazpaz_keys.range (job_id, n, is_read, again, read_rows)
     VALUES ($1, -1 - pg_current_xact_id()::text::bigint % 2147483647, true, $2::jsonb, $3)`,
    [job.id, JSON.stringify(keys), keys.length],
  );
}

/**
 * `$16`: `sources`. The latest counts of the ring's clock, the database's, which all processes share, and a time that is kept:
 * a process whose clock is behind does not set it back, and a local service's clock may be ahead of the database's.
 */
const SOURCES_NOW = `
  (SELECT coalesce(jsonb_object_agg(n, greatest(at, sources->>n, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))), '{}')
     FROM jsonb_each_text($16::jsonb) last(n, at))`;

export async function recordBatch(
  session: Connection,
  job: Job,
  result: BatchResult,
  mostLeft = MOST_LEFT_ROWS,
): Promise<void> {
  const { range, reached, isRead, again, tries, left, reencrypted } = result;
  const isOpen = !isRead || again.length > 0;
  const pause = isRead ? Math.min(LONGEST_PAUSE, 20 * 2 ** tries) : 0;
  await session.rowsByPlan(
    `UPDATE pazpaz_keys.range
        SET reached = $3::jsonb, is_read = $4, again = $5::jsonb, tries = $6, is_open = $7,
            not_before = now() + $8 * interval '1 millisecond',
            read_rows = read_rows + $9, reencrypted = reencrypted + $10, already_current = already_current + $11,
            nulls = nulls + $12, empty = empty + $13, left_rows = left_rows + $14,
            sources = sources || ${SOURCES_NOW},
            written = CASE WHEN NOT $15 THEN written
                           WHEN written_in = pg_postmaster_start_time() THEN written || pg_current_xact_id()::text::bigint
                           ELSE ARRAY[pg_current_xact_id()::text::bigint] END,
            written_in = CASE WHEN $15 THEN pg_postmaster_start_time() ELSE written_in END
      WHERE job_id = $1 AND n = $2`,
    [
      ...[job.id, range.n, reached === undefined ? null : JSON.stringify(reached), isRead, JSON.stringify(again)],
      ...[tries, isOpen, pause, result.readRows, reencrypted, result.alreadyCurrent],
      ...[result.nulls, result.empty, left.length, result.wroteAlone && reencrypted > 0],
      JSON.stringify(result.sources),
    ],
  );
  await list(
    session,
    job,
    left.filter(({ code }) => !isFoundAgain(code)),
    mostLeft,
  );
  await list(
    session,
    job,
    left.filter(({ code }) => isFoundAgain(code)),
    MOST_REFUSED_ROWS,
  );
}

/** `$1`: the job; `$2`: its rows that are left as they are, as JSON. */
export const LIST_LEFT = `
  INSERT INTO pazpaz_keys.left_row (job_id, key, code)
  SELECT $1, l->'key', l->>'code' FROM jsonb_array_elements($2::jsonb) l`;

/** Lists rows that are left as they are, as long as the job has listed no more than `most`. */
async function list(session: Connection, job: Job, left: readonly LeftRow[], most: number): Promise<void> {
  if (left.length === 0) return;
  await session.change(
    `${LIST_LEFT}
      LIMIT greatest(0, $3 - (SELECT count(*) FROM pazpaz_keys.left_row WHERE job_id = $1))`,
    [job.id, JSON.stringify(left), most],
  );
}
