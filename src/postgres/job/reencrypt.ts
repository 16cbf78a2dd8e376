import { KeyRotationError } from '../../format/error.ts';
import { columnName, type Column, type ColumnSpec } from '../catalog/column.ts';
import { quoted, type DatabaseAddress } from '../connection/database.ts';
import { withColumns } from '../catalog/look-up-column.ts';
import type { ReencryptOptions, ReencryptReport } from './reencrypt-options.ts';
import { ColumnWorker } from './column-worker.ts';
import type { RingKeys } from '../all-keys.ts';
import { decideTriggers } from '../catalog/triggers.ts';
import { requireRoom } from '../catalog/column-width.ts';

export type { ReencryptOptions, ReencryptReport } from './reencrypt-options.ts';

/**
 * Checks everything that can be checked before the first write, of all columns; then brings one after the other to the
 * current key. Rejects with `INVALID_COLUMN`, `COLUMN_TOO_SHORT`, `TRIGGERS_UNDECIDED`, `JOB_DIFFERS`, what
 * `requireTarget` throws, `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED` or `CANNOT_REACH_AWS`; whatever it is, rows are whole, and
 * the same command continues where this one stopped.
 */
export async function reencrypt(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  options: ReencryptOptions = {},
): Promise<readonly ReencryptReport[]> {
  keys.requireTarget();
  const columns = await checkedColumns(database, specs, keys, options);
  const reports: ReencryptReport[] = [];
  let brakes = options.brakes ?? {};
  for (const column of columns) {
    if (options.signal?.aborted === true && reports.length > 0) break;
    const worker = new ColumnWorker(database, column, keys, { ...options, brakes });
    reports.push(await worker.run());
    // What was set meanwhile holds for the next column too.
    brakes = { ...brakes, ...worker.changedBrakes };
  }
  return reports;
}

function checkedColumns(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  { triggers }: ReencryptOptions,
): Promise<readonly Column[]> {
  return withColumns(database, specs, async (session, columns) => {
    requireOnce(columns);
    for (const column of columns) requireReach(column);
    await decideTriggers(session, columns, triggers);
    for (const column of columns) await requireRoom(session, column, keys);
    return columns;
  });
}

/** Throws `INVALID_COLUMN` where a column is named twice: with two contexts, either of its jobs would undo the other. */
function requireOnce(columns: readonly Column[]): void {
  const names = columns.map(({ tableId, column }) => `${tableId} ${column}`);
  const twice = columns.find((_, index) => names.indexOf(names[index] ?? '') !== index);
  if (twice === undefined) return;
  throw new KeyRotationError('INVALID_COLUMN', `${columnName(twice)} is named twice: name each column once.`);
}

/** Throws `INVALID_COLUMN` where rows are hidden from this user, or may not be changed by it. */
function requireReach(column: Column): void {
  const { unseen, mayUpdate, spec, table } = column;
  if (unseen.length > 0) {
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `Not every row of ${columnName(column)} can be reached: ${unseen.join('; ')}. Connect to the primary server, as the ` +
        "table's owner or as a role with BYPASSRLS.",
    );
  }
  if (!mayUpdate) {
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `This user may not change ${columnName(column)}: GRANT SELECT, UPDATE (${quoted(spec.column)}) ON ${table} TO its role.`,
    );
  }
}
