import type { Column, ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { withColumns } from '../../../src/postgres/catalog/look-up-column.ts';
import type { DatabaseAddress } from '../../../src/postgres/connection/database.ts';

/** A column as the catalog describes it now. */
export async function columnOf(database: DatabaseAddress, spec: ColumnSpec): Promise<Column> {
  const [column] = await withColumns(database, [spec], (_, columns) => Promise.resolve(columns));
  if (column === undefined) throw new Error(`no column was looked up for ${spec.table}.${spec.column}`);
  return column;
}
