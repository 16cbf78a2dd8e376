import { randomInt } from 'node:crypto';
import { KeyRotationError } from '../../format/error.ts';
import { columnName, listedMember, type Column } from '../catalog/column.ts';
import { isLockTimeout } from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';
import { beginBrakes, readBrakes, setBrakes, type Brakes } from './brakes.ts';
import { holderOfTables, keptClosed, LOCK_BRIEFLY, LOCK_TIMEOUT, openJobTables, takeTurn } from './job-tables.ts';
import type { LeftBecause, LeftRow } from './plan-rows.ts';
import { placesOf, withNewPartitions } from './table-state.ts';

/** Rows left as they are that are remembered by key; the number of all of them is exact. */
export const MOST_LEFT_ROWS = 10_000;

/** Those of them that the final check would find again: it ends because it knows their keys. */
export const MOST_REFUSED_ROWS = 100_000;

export interface Job {
  readonly id: string;
  readonly pass: number;
  /** Whether others began it, or this command earlier. */
  readonly isResumed: boolean;
  /** Whether its processes were given another query of --pause-while by opening it. */
  readonly hasOtherQuery?: boolean;
}

/** By all processes together. */
export interface JobTotals {
  readonly readRows: number;
  readonly reencrypted: number;
  readonly alreadyCurrent: number;
  readonly nulls: number;
  readonly empty: number;
  readonly left: number;
}

export interface Opening {
  /** The number of the key that rows are re-encrypted under. */
  readonly target: number;
  readonly startOver: boolean;
  /** The job that this process has begun: it continues no other one. */
  readonly former?: Job | undefined;
  /** Brakes that this process was given; the others stay what they are. `undefined`: it continues a job that it is in already. */
  readonly brakes: Partial<Brakes> | undefined;
  /** Called now and then with the process that keeps the job's tables from being opened. */
  readonly onWait?: ((detail: string) => void) | undefined;
  /** Milliseconds for which it is waited for. Default: 60,000. */
  readonly patience?: number | undefined;
}

/**
 * Joins the unfinished job of the column's member, or begins one: also where the table was restored, truncated or
 * rewritten, and its rows are not those that were done. Throws `JOB_DIFFERS` where an unfinished job was asked for
 * something else, unless `startOver`; then, and once that one is finished, another job takes its place.
 */
export async function openJob(session: Connection, column: Column, opening: Opening): Promise<Job> {
  const { onWait, patience = 60_000 } = opening;
  for (let waited = LOCK_TIMEOUT; ; waited += LOCK_TIMEOUT) {
    try {
      return await openJobOnce(session, column, opening);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      const holder = await holderOfTables(session);
      if (waited >= patience) throw keptClosed(holder);
      onWait?.(holder);
    }
  }
}

function openJobOnce(session: Connection, column: Column, opening: Opening): Promise<Job> {
  const { target, startOver, former, brakes } = opening;
  const { spec } = column;
  const options = optionsOf(column);
  return session.transaction(async () => {
    // In turn with the processes that begin at the same time: a later one would find the job finished.
    await session.change(LOCK_BRIEFLY);
    await takeTurn(session);
    await openJobTables(session);
    await session.change('SET LOCAL lock_timeout = 0');
    const content = await contentOf(session, column);
    const columns = await placesOf(session, column);
    const [found] = await session.rows(
      `SELECT id, options, finished_at IS NOT NULL, pass, content, columns FROM pazpaz_keys.job
        WHERE table_id = $1::oid AND column_name = $2 AND member = $3 FOR NO KEY UPDATE`,
      [column.tableId, spec.column, listedMember(column)],
    );
    const [id, formerOptions, isFinished, pass, formerContent = null, formerColumns = null] = found ?? [];
    if (former !== undefined && former.id !== id) throw jobReplaced(column);
    const braked = async (job: Job) => {
      await beginBrakes(session, job, brakes !== undefined && (isFinished !== 'f' || startOver));
      const { pauseWhile: query = null } = brakes ?? {};
      const hasOtherQuery = query !== null && query !== (await readBrakes(session, job)).pauseWhile;
      await setBrakes(session, job, brakes ?? {});
      return { ...job, hasOtherQuery };
    };
    if (id == null) return await braked(await beginJob(session, column, { options, target, content, columns }));
    const isSame = formerOptions === options;
    if (!isSame && isFinished !== 't' && !startOver) throw jobDiffers(column, formerOptions ?? options, options);
    const places = {
      content: withNewPartitions(formerContent, content),
      columns: withNewPartitions(formerColumns, columns),
    };
    if (isFinished === 't' || startOver || places.content === undefined || places.columns === undefined) {
      const job = await beginPass(session, { id, pass: Number(pass) }, { options, target, content, columns });
      return await braked(isSame ? job : await renumber(session, job));
    }
    if (places.content !== formerContent || places.columns !== formerColumns) {
      // Rows of a new partition are read behind the last range, or found by the final check.
      const grow = 'UPDATE pazpaz_keys.job SET content = $2, columns = $3 WHERE id = $1';
      await session.change(grow, [id, places.content, places.columns]);
    }
    return await braked({ id, pass: Number(pass), isResumed: true });
  });
}

function jobDiffers(column: Column, former: string, options: string): KeyRotationError {
  return new KeyRotationError(
    'JOB_DIFFERS',
    `An unfinished job on ${columnName(column)} was started with ${asFlags(former)}, this one with ${asFlags(options)}. ` +
      'Finish that one with its own options first, or pass --start-over if it was a mistake: rows that it has moved ' +
      'are then looked for in both of the contexts given now.',
  );
}

/** What a job was begun with, besides the key that its rows are re-encrypted under. */
interface JobOptions {
  readonly key: readonly string[];
  /** The one that rows are moved to, where there are two. */
  readonly context: string;
  readonly member?: string;
  readonly from?: string;
}

function optionsOf({ key, context, fromContext, spec }: Column): string {
  const options: JobOptions = {
    key: key.map(({ name }) => name),
    context: context.source,
    ...(spec.member === undefined ? {} : { member: spec.member }),
    ...(fromContext === undefined ? {} : { from: fromContext.source }),
  };
  return JSON.stringify(options);
}

/** As `reencrypt` takes them. */
function asFlags(options: string): string {
  const { key, context, member, from } = JSON.parse(options) as JobOptions;
  return [
    `--key ${key.join(',')}`,
    `--context '${from ?? context}'`,
    ...(from === undefined ? [] : [`--to-context '${context}'`]),
    ...(member === undefined ? [] : [`--member '${member}'`]),
  ].join(' ');
}

/** Of a job that was finished within a week: rows that were loaded since change nothing that is looked at here. */
export async function leftByLast(session: Connection, column: Column, target: number): Promise<number | undefined> {
  const [found] = await session.rows(
    `SELECT (SELECT coalesce(sum(left_rows), 0) FROM pazpaz_keys.range r WHERE r.job_id = j.id)
       FROM pazpaz_keys.job j
      WHERE table_id = $1::oid AND column_name = $2 AND member = $3 AND options = $4 AND content = $5
        AND target = $6::int8 AND finished_at > now() - interval '7 days'`,
    [
      ...[column.tableId, column.spec.column, listedMember(column), optionsOf(column)],
      ...[await contentOf(session, column), target],
    ],
  );
  return found === undefined ? undefined : Number(found[0]);
}

/** Another key is current. `from`: the number that the caller saw. Gives `false`, and does nothing, if another was faster. */
export async function retargetJob(session: Connection, job: Job, from: number, target: number): Promise<boolean> {
  return session.transaction(() => beginPassFrom(session, job, from, target));
}

/** Begins a job's rows again within the caller's transaction: more were found left than are looked up one by one. */
export function repeatPass(session: Connection, job: Job, target: number): Promise<boolean> {
  return beginPassFrom(session, job, target, target);
}

/** Begins a job's rows again. `pass`: the one that the caller saw; nothing happens if another process was faster. */
export async function repeatOutdatedPass(session: Connection, job: Job, pass: number): Promise<void> {
  await session.transaction(async () => {
    const [found] = await session.rows(
      'SELECT target FROM pazpaz_keys.job WHERE id = $1 AND pass = $2 FOR NO KEY UPDATE',
      [job.id, pass],
    );
    if (found !== undefined) await repeatPass(session, job, Number(found[0]));
  });
}

/** Has the table checked again, whichever pass has finished. */
export async function reopenJob(session: Connection, { id }: Job): Promise<void> {
  await session.change('UPDATE pazpaz_keys.job SET finished_at = NULL WHERE id = $1', [id]);
}

/** Throws `JOB_DIFFERS` where the job is gone. */
export async function jobState(
  session: Connection,
  column: Column,
  { id }: Job,
): Promise<{ readonly isFinished: boolean; readonly target: number }> {
  const [found] = await session.rows('SELECT finished_at IS NOT NULL, target FROM pazpaz_keys.job WHERE id = $1', [id]);
  if (found === undefined) throw jobReplaced(column);
  return { isFinished: found[0] === 't', target: Number(found[1]) };
}

function jobReplaced(column: Column): KeyRotationError {
  return new KeyRotationError(
    'JOB_DIFFERS',
    `The job on ${columnName(column)} that this process worked on is gone: a command with other options has begun another one ` +
      'since, or the schema pazpaz_keys was dropped. This process has changed no row in the other one. Let only commands ' +
      'with the options that you want run, and run that one again.',
  );
}

export async function jobTotals(session: Connection, { id }: Pick<Job, 'id'>): Promise<JobTotals> {
  const [found] = await session.rows(
    `SELECT sum(read_rows), sum(reencrypted), sum(already_current), sum(nulls), sum(empty), sum(left_rows)
       FROM pazpaz_keys.range WHERE job_id = $1`,
    [id],
  );
  const [readRows = 0, reencrypted = 0, alreadyCurrent = 0, nulls = 0, empty = 0, left = 0] = (found ?? []).map(Number);
  return { readRows, reencrypted, alreadyCurrent, nulls, empty, left };
}

export async function leftRows(session: Connection, { id }: Job): Promise<readonly LeftRow[]> {
  const rows = await session.rows(
    'SELECT key, code FROM pazpaz_keys.left_row WHERE job_id = $1 ORDER BY key LIMIT $2',
    [id, MOST_LEFT_ROWS],
  );
  return rows.map(([key, code]) => ({ key: keyOf(key ?? '[]'), code: (code ?? '') as LeftBecause }));
}

/** Besides `DATABASE:`, why rows are left that a key opens, so that the final check finds them again. */
const FOUND_AGAIN: readonly LeftBecause[] = ['ROW_BUSY', 'WRITTEN_MEANWHILE'];

export function isFoundAgain(code: LeftBecause): boolean {
  return code.startsWith('DATABASE:') || FOUND_AGAIN.includes(code);
}

/** Why rows are left that are remembered by key, by their keys in JSON. */
export async function listedRows(session: Connection, { id }: Job): Promise<ReadonlyMap<string, LeftBecause>> {
  const rows = await session.rows('SELECT key, code FROM pazpaz_keys.left_row WHERE job_id = $1', [id]);
  return new Map(rows.map(([key, code]) => [JSON.stringify(keyOf(key ?? '[]')), (code ?? '') as LeftBecause]));
}

/** A key as the job's tables hold it: an array of texts in JSON. */
export function keyOf(json: string): readonly string[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.map(String) : [];
}

interface Beginning {
  readonly options: string;
  readonly target: number;
  /** Which files hold the table; `null` where that was not written down. */
  readonly content: string | null;
  /** Where the column and those of its context stand; `null` where that was not written down. */
  readonly columns: string | null;
}

/** Which files hold the table and its partitions: others after TRUNCATE, a restore or a rewrite. */
async function contentOf(session: Connection, { tableId }: Column): Promise<string> {
  const [found] = await session.rows(
    `SELECT string_agg(format('%s:%s', id, pg_relation_filenode(id)), ' ' ORDER BY id)
       FROM (SELECT $1::oid AS id UNION SELECT relid::oid FROM pg_partition_tree($1::oid::regclass)) tree
      WHERE id IS NOT NULL`,
    [tableId],
  );
  return found?.[0] ?? '';
}

async function beginJob(
  session: Connection,
  column: Column,
  { options, target, content, columns }: Beginning,
): Promise<Job> {
  const id = newId();
  await session.change(
    `INSERT INTO pazpaz_keys.job (id, table_id, column_name, member, options, target, content, columns)
     VALUES ($8, $1::oid, $2, $3, $4, $5, $6, $7)`,
    [column.tableId, column.spec.column, listedMember(column), options, target, content, columns, id],
  );
  return { id, pass: 1, isResumed: false };
}

/** Random: the first number of new tables is not that of a process which still works on a job of the former ones. */
function newId(): string {
  return String(randomInt(1, 2 ** 47));
}

/**
 * A process of the former options finds its job gone, and not this one in its place. First waits for brakes that are being
 * set: no row may refer to the former number.
 */
async function renumber(session: Connection, job: Job): Promise<Job> {
  const id = newId();
  await session.change('SELECT FROM pazpaz_keys.job WHERE id = $1 FOR UPDATE', [job.id]);
  await session.change('DELETE FROM pazpaz_keys.brake WHERE job_id = $1', [job.id]);
  await session.change('UPDATE pazpaz_keys.job SET id = $2 WHERE id = $1', [job.id, id]);
  return { ...job, id };
}

async function beginPassFrom(session: Connection, { id }: Job, from: number, target: number): Promise<boolean> {
  const [found] = await session.rows(
    'SELECT options, target, pass, content, columns FROM pazpaz_keys.job WHERE id = $1 FOR NO KEY UPDATE',
    [id],
  );
  const [options, current, pass, content = null, columns = null] = found ?? [];
  if (options == null || Number(current) !== from) return false;
  await beginPass(session, { id, pass: Number(pass) }, { options, target, content, columns });
  return true;
}

/** When rows were last re-encrypted from a key, of what two queries say. */
const lastBySource = (before: string, since: string) => `
  SELECT key, max(value) AS value FROM (${before} UNION ALL ${since}) s, jsonb_each_text(s.sources) GROUP BY key`;

const LAST_BY_SOURCE = lastBySource(
  'SELECT sources FROM ONLY pazpaz_keys.job',
  'SELECT sources FROM ONLY pazpaz_keys.range',
);

/** Keeps the times of the ranges that it removes, also of a batch that it waits for. */
const REMOVE_RANGES = `
  WITH removed AS (DELETE FROM pazpaz_keys.range WHERE job_id = $1 RETURNING sources)
  UPDATE pazpaz_keys.job
     SET sources = (SELECT coalesce(jsonb_object_agg(key, value), '{}')
                      FROM (${lastBySource('SELECT job.sources', 'SELECT sources FROM removed')}) last)
   WHERE id = $1 AND EXISTS (SELECT FROM removed)`;

/** When rows were last re-encrypted from a key, by its number (0: a key without one), as far as jobs of this database say so. */
export async function lastReencryptions(session: Connection): Promise<ReadonlyMap<number, Date>> {
  const found = await session.rows(LAST_BY_SOURCE);
  return new Map(found.map(([number, date]) => [Number(number), new Date(date ?? '')]));
}

/** Waits for batches under way. The caller's lock on the job lets them list a row, or each would wait for the other. */
async function beginPass(
  session: Connection,
  { id, pass }: { readonly id: string; readonly pass: number },
  { options, target, content, columns }: Beginning,
): Promise<Job> {
  // A batch that was waited for may have passed rows on to a range that the statement does not see.
  while ((await session.change(REMOVE_RANGES, [id])) > 0);
  await session.change('DELETE FROM pazpaz_keys.left_row WHERE job_id = $1', [id]);
  await session.change(
    `UPDATE pazpaz_keys.job SET options = $2, target = $3, content = $4, columns = $5, pass = pass + 1,
            frontier = NULL, is_cut = false, ranges = 0, started_at = now(), finished_at = NULL WHERE id = $1`,
    [id, options, target, content, columns],
  );
  return { id, pass: pass + 1, isResumed: false };
}
