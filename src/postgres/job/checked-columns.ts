import { KeyRotationError } from '../../format/error.ts';
import type { RingKeys } from '../all-keys.ts';
import { requireChildren } from '../catalog/child-tables.ts';
import { requireRoom } from '../catalog/column-width.ts';
import { requireSteadyContexts } from '../catalog/steady-contexts.ts';
import { columnName, listedMember, sharesRows, type Column, type ColumnSpec } from '../catalog/column.ts';
import { replaced } from '../catalog/table-locks.ts';
import { withColumns } from '../catalog/look-up-column.ts';
import { decideTriggers, type TriggerChoice } from '../catalog/triggers.ts';
import { quoted, type Connection, type DatabaseAddress } from '../connection/database.ts';
import { isLockTimeout } from '../connection/database-error.ts';
import { END_THEM } from '../catalog/older-writers.ts';
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

/** What is done before the first write only. */
interface FirstLook {
  /** Milliseconds for which a table is waited for that another transaction keeps locked. Default: 60,000. */
  readonly patience?: number;
}

/**
 * `first`: their contexts, too. Later, only the first of them is looked through for values without room: that reads its
 * whole table. Rejects with `INVALID_COLUMN`, `COLUMN_TOO_SHORT` or `TRIGGERS_UNDECIDED`.
 */
export function checkedColumns(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  triggers: TriggerChoice | undefined,
  first?: FirstLook,
): Promise<readonly CheckedColumn[]> {
  const check = async (session: Connection, columns: readonly Column[]) => {
    requireOnce(columns);
    if (first !== undefined) await requireChildren(session, columns);
    await requireSteadyContexts(session, columns);
    for (const column of columns) requireReach(column);
    await decideTriggers(session, columns, triggers);
    const checked: CheckedColumn[] = [];
    for (const column of columns) {
      const locks = await locksOf(session, column);
      // Rows are read before the first batch, too, and by names.
      for (const lock of locks.names) await session.change(lock);
      const state = await tableState(session, column);
      if (state === undefined) throw replaced(column.table);
      if (first !== undefined) await requireContext(session, column, keys);
      if (first !== undefined || column.spec === specs[0]) await requireRoom(session, column, keys);
      checked.push({ column, state, locks, writesAlone: await writesAlone(session, column, triggers) });
    }
    return checked;
  };
  if (first === undefined) return withColumns(database, specs, check);
  const settings = [`SET LOCAL lock_timeout = ${first.patience ?? 60_000}`];
  return withColumns(database, specs, check, { settings }).catch((error: unknown) => {
    throw isLockTimeout(error) ? keptLocked(specs) : error;
  });
}

function keptLocked(specs: readonly ColumnSpec[]): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `Another transaction keeps ${specs.map(({ table }) => table).join(' or ')} locked, or a partition of it. Locks are in ` +
      `pg_locks; ${END_THEM}, and run this again. Nothing was changed.`,
  );
}

/** A member of a column has one job: with two contexts, either of two would undo the other. */
function requireOnce(columns: readonly Column[]): void {
  const isSamePlace = (one: Column, other: Column) =>
    sharesRows(one, other) && one.column === other.column && listedMember(one) === listedMember(other);
  const twice = columns.find((column, index) => columns.slice(0, index).some((before) => isSamePlace(before, column)));
  if (twice === undefined) return;
  throw new KeyRotationError(
    'INVALID_COLUMN',
    `${columnName(twice)} is named twice: name each column once, or each of its members.`,
  );
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
