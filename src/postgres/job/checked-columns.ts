import { KeyRotationError } from '../../format/error.ts';
import type { RingKeys } from '../all-keys.ts';
import { requireRoom } from '../catalog/column-width.ts';
import { columnName, type Column, type ColumnSpec } from '../catalog/column.ts';
import { replaced } from '../catalog/table-locks.ts';
import { withColumns } from '../catalog/look-up-column.ts';
import { decideTriggers, type TriggerChoice } from '../catalog/triggers.ts';
import { quoted, type DatabaseAddress } from '../connection/database.ts';
import { requireContext } from '../catalog/context-check.ts';
import { writesAlone } from './own-writes.ts';
import { locksOf, tableState, type TableLocks } from './table-state.ts';

export interface CheckedColumn {
  readonly column: Column;
  readonly state: string;
  readonly locks: TableLocks;
  /** Whether the transaction of a batch writes nothing into the table but the batch's rows. */
  readonly writesAlone: boolean;
}

/**
 * Looks columns up, and checks all that can be checked before the first write. `isFirst`: their contexts, too. Rejects
 * with `INVALID_COLUMN`, `COLUMN_TOO_SHORT` or `TRIGGERS_UNDECIDED`.
 */
export function checkedColumns(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  triggers: TriggerChoice | undefined,
  isFirst = false,
): Promise<readonly CheckedColumn[]> {
  return withColumns(database, specs, async (session, columns) => {
    requireOnce(columns);
    for (const column of columns) requireReach(column);
    await decideTriggers(session, columns, triggers);
    const checked: CheckedColumn[] = [];
    for (const column of columns) {
      const locks = await locksOf(session, column);
      // Rows are read before the first batch, too, and by names.
      for (const lock of locks.names) await session.change(lock);
      const state = await tableState(session, column);
      if (state === undefined) throw replaced(column.table);
      if (isFirst) await requireContext(session, column, keys);
      await requireRoom(session, column, keys);
      checked.push({ column, state, locks, writesAlone: await writesAlone(session, column, triggers) });
    }
    return checked;
  });
}

/** With two contexts, either of its jobs would undo the other. */
function requireOnce(columns: readonly Column[]): void {
  const names = columns.map(({ tableId, column }) => `${tableId} ${column}`);
  const twice = columns.find((_, index) => names.indexOf(names[index] ?? '') !== index);
  if (twice === undefined) return;
  throw new KeyRotationError('INVALID_COLUMN', `${columnName(twice)} is named twice: name each column once.`);
}

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
