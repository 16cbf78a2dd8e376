import { nameOfColumn, placeOf, type NamedColumn } from '../catalog/column-name.ts';
import { KeyRotationError } from '../../format/error.ts';
import type { Column, ColumnSpec } from '../catalog/column.ts';
import { withColumns } from '../catalog/look-up-column.ts';
import { tableNamed } from '../catalog/look-up-table.ts';
import { Connection, type DatabaseAddress } from '../connection/database.ts';
import { isLockTimeout } from '../connection/database-error.ts';
import { holdsCheck, requireQuery, whyNotAsk, whyWait, type Wait } from './brake-conditions.ts';
import { beginBrakes, readBrakes, setBrakes, type BrakeState } from './brakes.ts';
import { jobTotals, lastReencryptions, leftByLast, type JobTotals } from './job.ts';
import { hasJobTables, holderOfTables, holdTimes, keptClosed, LOCK_BRIEFLY, openJobTablesNow } from './job-tables.ts';

export interface JobView extends NamedColumn {
  readonly keyNumber: number;
  readonly totals: JobTotals;
  readonly brakes: BrakeState;
  /** What its processes wait for now; `undefined` where nothing holds them. */
  readonly waitsFor: Wait | undefined;
}

export interface ControlledJobs {
  readonly jobs: readonly JobView[];
  /** Why their processes do not run the query that was set. */
  readonly whyNotAsked?: string | undefined;
}

export type JobColumn = Pick<ColumnSpec, 'table' | 'column' | 'member'>;

/**
 * Changes the brakes of unfinished jobs while their processes run, which follow within a second; without a change it only
 * looks. `columns`: those of the jobs; a column without a member stands for the jobs of all its members, and `undefined`
 * for all in the database. Throws `NO_JOB` without such a job, and `INVALID_SETTINGS` for a query that cannot be run.
 */
export function controlJobs(
  database: DatabaseAddress,
  columns: readonly JobColumn[] | undefined,
  changes: Partial<BrakeState>,
): Promise<ControlledJobs> {
  return Connection.during(database, async (session) => {
    if (changes.pauseWhile != null) await requireQuery(session, changes.pauseWhile);
    const found = await unfinishedJobs(session, columns);
    for (const job of found) {
      await beginBrakes(session, job, false);
      if (Object.keys(changes).length > 0) await setBrakes(session, job, changes);
    }
    const jobs: JobView[] = [];
    for (const job of found) jobs.push(await viewOf(session, job));
    return { jobs, whyNotAsked: changes.pauseWhile == null ? undefined : (await whyNotAsk(session))?.detail };
  });
}

interface FoundJob {
  readonly id: string;
  readonly tableId: string;
  readonly place: NamedColumn;
  readonly target: number;
}

const JOBS = `
  SELECT j.id, j.table_id, format('%I.%I', n.nspname, c.relname), pg_get_userbyid(c.relowner), j.column_name, j.target,
         j.member, j.options::jsonb->>'member'
    FROM pazpaz_keys.job j
    JOIN pg_class c ON c.oid = j.table_id
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE j.finished_at IS NULL ORDER BY j.started_at, j.id`;

async function unfinishedJobs(
  session: Connection,
  columns: readonly JobColumn[] | undefined,
): Promise<readonly FoundJob[]> {
  const wanted: (JobColumn & { readonly tableId: string | undefined })[] = [];
  for (const one of columns ?? []) wanted.push({ ...one, tableId: await tableNamed(session, one.table) });
  const jobs: FoundJob[] = [];
  if (await hasJobTables(session)) {
    await openJobTablesNow(session);
    for (const [id, tableId, table, owner, column, target, jobMember, member] of await session.rows(JOBS)) {
      const isWanted = wanted.some(
        (one) => one.tableId === tableId && one.column === column && (one.member ?? jobMember) === jobMember,
      );
      if (columns !== undefined && !isWanted) continue;
      const place = placeOf({
        ...{ relation: table ?? '', owner: owner ?? '', column: column ?? '' },
        member: member ?? undefined,
      });
      jobs.push({ id: id ?? '', tableId: tableId ?? '', place, target: Number(target) });
    }
  }
  if (jobs.length > 0) return jobs;
  const named = (columns ?? []).map((one) => nameOfColumn(one.table, one)).join(', ');
  throw new KeyRotationError(
    'NO_JOB',
    `No re-encryption of ${named === '' ? 'this database' : named} is unfinished. Brakes of a new one are options of the command that begins it.`,
  );
}

async function viewOf(session: Connection, job: FoundJob): Promise<JobView> {
  const brakes = await readBrakes(session, job);
  return {
    ...job.place,
    keyNumber: job.target,
    totals: await jobTotals(session, job),
    brakes,
    waitsFor: await waitOf(session, job, brakes),
  };
}

const IN_FINAL_CHECK = `
  SELECT is_cut AND NOT EXISTS (SELECT FROM pazpaz_keys.range r WHERE r.job_id = j.id AND r.is_open)
    FROM pazpaz_keys.job j WHERE id = $1`;

async function waitOf(session: Connection, job: FoundJob, brakes: BrakeState): Promise<Wait | undefined> {
  const wait = await whyWait(session, { ...job, table: job.place.relation }, brakes);
  if (wait === undefined || holdsCheck(wait)) return wait;
  const [[isChecking] = []] = await session.rows(IN_FINAL_CHECK, [job.id]);
  return isChecking === 't' ? undefined : wait;
}

/**
 * How many rows the last re-encryption of all columns has left untouched; `undefined` unless it was finished for each,
 * with these options and to this key. It says nothing of rows that were written under an older key since: only a census
 * counts them. Rejects with `INVALID_COLUMN`, `CANNOT_REACH_DATABASE` or `DATABASE_REFUSED`.
 */
export function leftByLastReencryption(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  target: number,
): Promise<number | undefined> {
  let hasTables = false;
  const beforeLock = async (session: Connection) => {
    hasTables = await hasJobTables(session);
    if (hasTables) await openJobTablesNow(session);
  };
  const look = async (session: Connection, columns: readonly Column[]) => {
    if (!hasTables) return undefined;
    let sum = 0;
    for (const column of columns) {
      const left = await leftByLast(session, column, target);
      if (left === undefined) return undefined;
      sum += left;
    }
    return sum;
  };
  return withColumns(database, specs, look, { beforeLock });
}

/**
 * As `lastReencryptions`, in a connection of its own: of all jobs, because a row may be in another column or table by now.
 * Rejects with `NO_CENSUS` where this user may not read their tables.
 */
export function reencryptedFrom(database: DatabaseAddress): Promise<ReadonlyMap<number, Date>> {
  return Connection.during(database, async (session) => {
    const look = async () => ((await holdTimes(session)) ? await lastReencryptions(session) : new Map<number, Date>());
    try {
      return await session.transaction(look, { settings: [LOCK_BRIEFLY, 'SET LOCAL row_security = off'] });
    } catch (error) {
      throw isLockTimeout(error) ? keptClosed(await holderOfTables(session)) : error;
    }
  });
}
