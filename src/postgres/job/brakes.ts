import type { Connection } from '../connection/database.ts';

/** Shared by all processes of a job. `null`: that brake is off. */
export interface Brakes {
  readonly maxRowsPerSecond: number | null;
  /** Milliseconds that one transaction is to take: the number of its rows follows this. `null`: all rows of `batchRows`. */
  readonly batchMilliseconds: number | null;
  readonly maxLagSeconds: number | null;
  /** Megabytes of write-ahead log that a slot, or a replica that has not replayed them, may hold back. */
  readonly maxHeldWalMegabytes: number | null;
  /** Megabytes that must be free on the disk of a server on this machine. */
  readonly minFreeDiskMegabytes: number | null;
  readonly waitsForVacuum: boolean;
  /** Whether the job stops while other sessions wait for locks on the table. */
  readonly waitsForLocks: boolean;
  /** A query of the operator's: the job stops while its first value is neither false, 0, NULL nor missing. */
  readonly pauseWhile: string | null;
}

/** What a production primary survives at noon: a tenth of what one small server writes at most. */
export const DEFAULT_BRAKES: Brakes = {
  maxRowsPerSecond: 5000,
  batchMilliseconds: 100,
  maxLagSeconds: 10,
  maxHeldWalMegabytes: 4096,
  minFreeDiskMegabytes: 2048,
  waitsForVacuum: true,
  waitsForLocks: true,
  pauseWhile: null,
};

export const FULL_SPEED: Brakes = {
  maxRowsPerSecond: null,
  batchMilliseconds: null,
  maxLagSeconds: null,
  maxHeldWalMegabytes: null,
  minFreeDiskMegabytes: null,
  waitsForVacuum: false,
  waitsForLocks: false,
  pauseWhile: null,
};

const COLUMNS: Readonly<Record<keyof Brakes, string>> = {
  maxRowsPerSecond: 'max_rows_per_second',
  batchMilliseconds: 'batch_milliseconds',
  maxLagSeconds: 'max_lag_seconds',
  maxHeldWalMegabytes: 'max_held_wal_megabytes',
  minFreeDiskMegabytes: 'min_free_disk_megabytes',
  waitsForVacuum: 'waits_for_vacuum',
  waitsForLocks: 'waits_for_locks',
  pauseWhile: 'pause_while',
};

export interface BrakeState extends Brakes {
  readonly isPaused: boolean;
}

/** A reservation that a crash of the server loses was for rows of that moment. The disk is left to the application. */
const NOT_WAITING_FOR_DISK = 'SET LOCAL synchronous_commit = off';

interface JobId {
  readonly id: string;
}

/** Gives a job that has no brakes yet the usual ones; `isNew`: whatever it had, as for a job that begins from the start. */
export async function beginBrakes(session: Connection, { id }: JobId, isNew: boolean): Promise<void> {
  if (isNew) await session.change('DELETE FROM pazpaz_keys.brake WHERE job_id = $1', [id]);
  const names = Object.values(COLUMNS).join(', ');
  await session.change(
    `INSERT INTO pazpaz_keys.brake (job_id, ${names})
     SELECT $1, ${names} FROM jsonb_to_record($2::jsonb) AS b (
       max_rows_per_second integer, batch_milliseconds integer, max_lag_seconds integer, max_held_wal_megabytes integer,
       min_free_disk_megabytes integer, waits_for_vacuum boolean, waits_for_locks boolean, pause_while text)
      WHERE EXISTS (SELECT FROM pazpaz_keys.job WHERE id = $1 FOR KEY SHARE)
     ON CONFLICT (job_id) DO NOTHING`,
    [id, JSON.stringify(byColumn(DEFAULT_BRAKES))],
  );
}

/** Changes brakes of a job, for all of its processes. Time that was not used before is not caught up. */
export async function setBrakes(session: Connection, { id }: JobId, changes: Partial<BrakeState>): Promise<void> {
  const { isPaused, ...brakes } = changes;
  const values = { ...byColumn(brakes), ...(isPaused === undefined ? {} : { is_paused: isPaused }) };
  const names = Object.keys(values);
  await session.change(
    `UPDATE pazpaz_keys.brake SET ${names.map((name, index) => `${name} = $${index + 2}, `).join('')}next_free_at = greatest(next_free_at, now())
      WHERE job_id = $1`,
    [id, ...Object.values(values)],
  );
}

/** The usual ones, where another process has just removed the job. */
export async function readBrakes(session: Connection, { id }: JobId): Promise<BrakeState> {
  const [found] = await session.rows(
    `SELECT is_paused, ${Object.values(COLUMNS).join(', ')} FROM pazpaz_keys.brake WHERE job_id = $1`,
    [id],
  );
  if (found === undefined) return { ...DEFAULT_BRAKES, isPaused: false };
  const [isPaused, rate, batch, lag, wal, disk, vacuum, locks, query] = found;
  const number = (cell: string | null | undefined) => (cell == null ? null : Number(cell));
  return {
    isPaused: isPaused === 't',
    maxRowsPerSecond: number(rate),
    batchMilliseconds: number(batch),
    maxLagSeconds: number(lag),
    maxHeldWalMegabytes: number(wal),
    minFreeDiskMegabytes: number(disk),
    waitsForVacuum: vacuum === 't',
    waitsForLocks: locks === 't',
    pauseWhile: query ?? null,
  };
}

/**
 * Reserves the time that so many rows take at the job's rate, after all that was reserved before, and gives the
 * milliseconds until it is over: rows are handled once they are paid for. All clocks are the database's. Time that no
 * process asked for is lost but for the last half of a second: a job that was held up must not catch up in a burst.
 */
export async function reserveRows(session: Connection, { id }: JobId, rows: number): Promise<number> {
  const reserve = () =>
    session.rowsByPlan(
      `UPDATE pazpaz_keys.brake
          SET next_free_at = greatest(next_free_at, clock_timestamp() - interval '500 milliseconds')
                             + make_interval(secs => $2::double precision / max_rows_per_second)
        WHERE job_id = $1 AND max_rows_per_second IS NOT NULL
       RETURNING extract(epoch FROM next_free_at - clock_timestamp()) * 1000`,
      [id, rows],
    );
  const [found] = await session.transaction(reserve, { settings: [NOT_WAITING_FOR_DISK] });
  return Math.max(0, Number(found?.[0] ?? 0));
}

export function changedBrakes(before: Brakes, now: Brakes): Partial<Brakes> {
  const names = Object.keys(COLUMNS) as (keyof Brakes)[];
  return Object.fromEntries(names.filter((name) => before[name] !== now[name]).map((name) => [name, now[name]]));
}

function byColumn(brakes: Partial<Brakes>): Record<string, number | boolean | string | null> {
  const entries = Object.entries(COLUMNS) as [keyof Brakes, string][];
  return Object.fromEntries(
    entries.flatMap(([name, column]) => {
      const value = brakes[name];
      return value === undefined ? [] : [[column, value]];
    }),
  );
}
