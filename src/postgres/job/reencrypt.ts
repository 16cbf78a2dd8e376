import type { ColumnSpec } from '../catalog/column.ts';
import { withSpare, type DatabaseAddress } from '../connection/database.ts';
import { LastingConnection } from '../connection/lasting-connection.ts';
import { checkedColumns } from './checked-columns.ts';
import type { ReencryptOptions, ReencryptReport } from './reencrypt-options.ts';
import { ColumnWorker } from './column-worker.ts';
import type { RingKeys } from '../all-keys.ts';

export type { ReencryptOptions, ReencryptReport } from './reencrypt-options.ts';

/** How often on average a column has its turn: triggers of two tables could write rows of each other for ever. */
const MOST_TURNS = 4;

/**
 * Checks everything that can be checked before the first write, of all columns; then brings one after the other to the
 * current key, and checks those again that triggers of a later one may have written into. Rejects with `INVALID_COLUMN`, `COLUMN_TOO_SHORT`, `TRIGGERS_UNDECIDED`, `JOB_DIFFERS`, what
 * `requireTarget` throws, `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED` or `CANNOT_REACH_AWS`; whatever it is, rows are whole, and
 * the same command continues where this one stopped.
 */
export async function reencrypt(
  address: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  options: ReencryptOptions = {},
): Promise<readonly ReencryptReport[]> {
  keys.requireTarget();
  return withSpare(address, async (database) => {
    const { signal = new AbortController().signal } = options;
    const connection = new LastingConnection(database, signal);
    // A server that cannot be reached at all is not waited for.
    await database.spare?.keep(await connection.open());
    const columns = await connection.again(() => checkedColumns(database, specs, keys, options.triggers, {}));
    const done: Done[] = [];
    let brakes = options.brakes ?? {};
    for (const column of columns) {
      if (signal.aborted && done.length > 0) break;
      const others = specs.filter((spec) => spec !== column.column.spec);
      const worker = new ColumnWorker(database, column, others, keys, {
        ...{ ...options, brakes },
        ownQuery: options.brakes?.pauseWhile,
      });
      done.push(ended(worker, await worker.run(), done.length + 1));
      // What was set meanwhile holds for the next column too.
      brakes = { ...brakes, ...worker.changedBrakes };
    }
    const mayHaveMore = ({ endedAt }: Done) => done.some(({ wroteAt }) => wroteAt > endedAt);
    for (let turn = done.length + 1; turn <= MOST_TURNS * done.length; turn += 1) {
      const place = done.findIndex(mayHaveMore);
      const former = done[place];
      if (former === undefined || signal.aborted) break;
      done[place] = ended(former.worker, await former.worker.checkAgain(), turn, former);
    }
    return done.map((one) => ({ ...one.report, isFinished: one.report.isFinished && !mayHaveMore(one) }));
  });
}

/** A column that was finished, or stopped. Turns count what was done one after the other. */
interface Done {
  readonly worker: ColumnWorker;
  readonly report: ReencryptReport;
  readonly endedAt: number;
  /** When triggers of its table last ran, which may have written old ciphertexts into a column that was finished; or 0. */
  readonly wroteAt: number;
}

function ended(worker: ColumnWorker, report: ReencryptReport, turn: number, former?: Done): Done {
  const hasWritten = worker.firesTriggers && report.totals.reencrypted !== (former?.report.totals.reencrypted ?? 0);
  return { worker, report, endedAt: turn, wroteAt: hasWritten ? turn : (former?.wroteAt ?? 0) };
}
