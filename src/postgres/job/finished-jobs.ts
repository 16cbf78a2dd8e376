import type { ColumnSpec } from '../catalog/column.ts';
import { withColumns } from '../catalog/look-up-column.ts';
import type { DatabaseAddress } from '../connection/database.ts';
import { openJobTables } from './job-tables.ts';
import { isBroughtTo } from './job.ts';

/**
 * Whether the last re-encryption of each column was finished, with these options and to this key. It says nothing of rows
 * that were written under an older key since: only a census counts them. Rejects with `INVALID_COLUMN`,
 * `CANNOT_REACH_DATABASE` or `DATABASE_REFUSED`.
 */
export function areBroughtTo(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  target: number,
): Promise<boolean> {
  return withColumns(database, specs, async (session, columns) => {
    const [schema] = await session.rows("SELECT to_regclass('pazpaz_keys.job')");
    if (schema?.[0] == null) return false;
    await openJobTables(session);
    for (const column of columns) if (!(await isBroughtTo(session, column, target))) return false;
    return true;
  });
}
