import type { ColumnSpec } from '../catalog/column.ts';
import { withSpare, type DatabaseAddress } from '../connection/database.ts';
import { checkedColumns } from './checked-columns.ts';
import type { ReencryptOptions, ReencryptReport } from './reencrypt-options.ts';
import { ColumnWorker } from './column-worker.ts';
import type { RingKeys } from '../all-keys.ts';

export type { ReencryptOptions, ReencryptReport } from './reencrypt-options.ts';

/**
 * Checks everything that can be checked before the first write, of all columns; then brings one after the other to the
 * current key. Rejects with `INVALID_COLUMN`, `COLUMN_TOO_SHORT`, `TRIGGERS_UNDECIDED`, `JOB_DIFFERS`, what
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
    const columns = await checkedColumns(database, specs, keys, options.triggers, {});
    const reports: ReencryptReport[] = [];
    let brakes = options.brakes ?? {};
    for (const column of columns) {
      if (options.signal?.aborted === true && reports.length > 0) break;
      const { tableId, spec } = column.column;
      const others = columns.flatMap(({ column: one }) =>
        one.tableId === tableId && one.spec !== spec ? one.spec : [],
      );
      const worker = new ColumnWorker(database, column, others, keys, {
        ...{ ...options, brakes },
        ownQuery: options.brakes?.pauseWhile,
      });
      reports.push(await worker.run());
      // What was set meanwhile holds for the next column too.
      brakes = { ...brakes, ...worker.changedBrakes };
    }
    return reports;
  });
}
