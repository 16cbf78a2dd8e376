import { KeyRotationError } from '../format/error.ts';
import type { Column } from './catalog/column.ts';
import type { Connection } from './connection/database.ts';
import {
  selected,
  storedRow,
  valueSize,
  valueUpTo,
  MOST_VALUE_BYTES,
  type BatchLimits,
  type StoredRow,
} from './read-rows.ts';

/** Settings of a transaction that scans: the rows come from the table itself, whatever an index of it says. */
export const HEAP_ONLY = [
  'SET LOCAL enable_seqscan = on',
  'SET LOCAL enable_tidscan = on',
  'SET LOCAL enable_indexscan = off',
  'SET LOCAL enable_indexonlyscan = off',
  'SET LOCAL enable_bitmapscan = off',
  // A CHECK that another role can change later must not talk the planner into leaving a partition out.
  'SET LOCAL constraint_exclusion = off',
];

/** A value that is read by itself, because a group of rows with such values would take too much memory. */
interface LargeValue {
  readonly part: string;
  readonly place: string;
  readonly size: number;
  readonly cells: readonly (string | null)[];
}

/**
 * Every row of the column's table in the snapshot of the open transaction, which has the settings `HEAP_ONLY`, in the
 * order of the heap. `limits`: most rows and bytes that are held at a time; the database reads the next rows meanwhile.
 */
export async function* scanHeap(
  session: Connection,
  column: Column,
  limits: BatchLimits,
): AsyncGenerator<readonly StoredRow[], void> {
  const atOnce = Math.max(1, Math.floor(limits.bytes / limits.rows));
  const columns = [...selected(column).slice(0, -1), valueUpTo(column, atOnce)];
  const place = `t.tableoid, t.ctid, ${valueSize(column)}`;
  await session.change(
    `DECLARE scan NO SCROLL CURSOR FOR SELECT ${place}, ${columns.join(', ')} FROM ${column.table} t`,
  );
  const fetch = () => {
    const rows = session.rows(`FETCH FORWARD ${limits.rows} FROM scan`);
    // Awaited in the next round, unless the caller stops before.
    rows.catch(() => undefined);
    return rows;
  };
  let fetched = await fetch();
  while (fetched.length > 0) {
    const following = fetch();
    const large: LargeValue[] = [];
    const rows: StoredRow[] = [];
    for (const [part, ctid, bytes, ...cells] of fetched) {
      const size = Number(bytes);
      if (size <= atOnce || size > MOST_VALUE_BYTES) rows.push(storedRow(column, cells));
      else large.push({ part: part ?? '', place: ctid ?? '', size, cells });
    }
    if (rows.length > 0) yield rows;
    for (const group of grouped(large, limits.bytes)) yield await readLarge(session, column, group);
    fetched = await following;
  }
  await session.change('CLOSE scan');
}

/** Groups of one part of the table, within so many bytes unless a single value has more. */
function* grouped(values: readonly LargeValue[], bytes: number): Generator<readonly LargeValue[]> {
  let group: LargeValue[] = [];
  let size = 0;
  for (const value of values) {
    if (group.length > 0 && (size + value.size > bytes || group[0]?.part !== value.part)) {
      yield group;
      group = [];
      size = 0;
    }
    group.push(value);
    size += value.size;
  }
  if (group.length > 0) yield group;
}

async function readLarge(
  session: Connection,
  column: Column,
  group: readonly LargeValue[],
): Promise<readonly StoredRow[]> {
  const found = await session.rows(
    `SELECT t.ctid, ${valueUpTo(column, MOST_VALUE_BYTES)} FROM ${column.table} t
      WHERE t.tableoid = $1::oid AND t.ctid = ANY ($2::tid[])`,
    [group[0]?.part ?? '', `{${group.map(({ place }) => `"${place}"`).join(',')}}`],
  );
  const values = new Map(found.map(([place, value]) => [place, value ?? null]));
  return group.map(({ place, cells }) => {
    const value = values.get(place);
    if (value == null) {
      throw new KeyRotationError(
        'DATABASE_REFUSED',
        `A value of ${column.table} that this snapshot has was not given again. Have its indexes, constraints and partitions looked at.`,
      );
    }
    return storedRow(column, [...cells.slice(0, -1), value]);
  });
}
