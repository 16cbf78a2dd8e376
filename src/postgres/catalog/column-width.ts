import { KeyRotationError } from '../../format/error.ts';
import { columnName, type Column } from './column.ts';
import type { Connection } from '../connection/database.ts';
import { planRows } from '../job/plan-rows.ts';
import { EVERY_ROW, passDamage } from '../damaged-rows.ts';
import { scanRange, type HeapRange } from '../heap-scan.ts';
import type { ScannedRow } from '../row-reader.ts';
import type { RingKeys } from '../all-keys.ts';

/** Most characters that a value grows by: five bytes of a number and the padding of base64. */
const MOST_GROWTH = 8;

/** Throws `COLUMN_TOO_SHORT` where a value has no room. Values near the limit are encrypted for their length. */
export async function requireRoom(session: Connection, column: Column, keys: RingKeys): Promise<void> {
  const { limit } = column;
  if (limit === undefined) return;
  const where = `pg_catalog.length(t.${column.column}) OPERATOR(pg_catalog.>) ${limit - MOST_GROWTH}`;
  const target = keys.requireTarget();
  let longest = limit;
  let tooLong = 0;
  const read = async (part: Column, range: HeapRange) => {
    let found = 0;
    const onRow = ({ key, stored, context, contexts }: ScannedRow) => {
      const rows = [{ key, stored, context, contexts, watched: [] }];
      for (const { sealed } of planRows(column, rows, keys, target).changes) {
        if (sealed.length <= limit) continue;
        found += 1;
        longest = Math.max(longest, sealed.length);
      }
    };
    await scanRange(session, part, range, onRow, where);
    tooLong += found;
  };
  // What the server cannot read is listed later.
  await passDamage(session, column, EVERY_ROW, read);
  if (tooLong === 0) return;
  throw new KeyRotationError(
    'COLUMN_TOO_SHORT',
    `${columnName(column)} takes at most ${limit} characters, and ${tooLong} of its rows need up to ${longest} characters under ` +
      `key ${target.number}. Nothing was changed. Widen it first: ALTER TABLE ${column.table} ALTER COLUMN ` +
      `${column.column} TYPE text.`,
  );
}
