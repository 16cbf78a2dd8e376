import type { Column } from './catalog/column.ts';
import type { Connection } from './connection/database.ts';
import { rowExpressions, rowReader, type ScannedRow } from './row-reader.ts';

/** Rows come from the table itself, whatever an index says. Looks at the catalog come first: they need indexes. */
export const HEAP_ONLY = [
  'SET LOCAL enable_seqscan = on',
  'SET LOCAL enable_tidscan = on',
  'SET LOCAL enable_indexscan = off',
  'SET LOCAL enable_indexonlyscan = off',
  'SET LOCAL enable_bitmapscan = off',
  // A CHECK that another role can change later must not talk the planner into leaving a partition out.
  'SET LOCAL constraint_exclusion = off',
];

/** Bytes of a table, with what is stored out of line, that one statement reads: progress is seen after each at least. */
const RANGE_BYTES = 32 * 1024 * 1024;

/** More than the rows of any page. */
export const PLACES_OF_PAGE = 2048;

/** Bounds are places of rows, of which each page has `PLACES_OF_PAGE`. `to` is not part of the range. */
export interface HeapRange {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/**
 * Each row is in exactly one. PostgreSQL reads only the pages of a range from version 14 on; before, there is one
 * range.
 */
export async function heapRanges(
  session: Connection,
  { tableId }: Column,
  rangeBytes = RANGE_BYTES,
): Promise<readonly HeapRange[]> {
  const [found] = await session.rows(
    `SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 140000
              AND pg_catalog.bool_and(m.amname OPERATOR(pg_catalog.=) 'heap'),
            pg_catalog.max(pg_catalog.pg_relation_size(c.oid))
              OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8,
            pg_catalog.sum(pg_catalog.pg_table_size(c.oid))
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam
      WHERE c.relkind OPERATOR(pg_catalog.=) 'r'
        AND c.oid OPERATOR(pg_catalog.=) ANY (SELECT $1::pg_catalog.oid
              UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass))`,
    [tableId],
  );
  const [hasRanges, pages, bytes] = found ?? [];
  const count = hasRanges === 't' ? Math.min(Number(pages), Math.ceil(Number(bytes) / rangeBytes)) : 1;
  const size = Math.ceil(Number(pages) / count) * PLACES_OF_PAGE;
  const end = Number(pages) * PLACES_OF_PAGE;
  const ranges: HeapRange[] = [];
  for (let from = size; count > 1 && from < end; from += size) ranges.push({ from: from - size, to: from });
  // Without an end: pages that were added meanwhile hold no row of this snapshot, but no row depends on that.
  return [...ranges, { from: ranges.at(-1)?.to, to: undefined }];
}

/** Needs the settings `HEAP_ONLY`. `where`: a condition in SQL on the row `t`. */
export async function scanRange(
  session: Connection,
  column: Column,
  range: HeapRange,
  onRow: (row: ScannedRow) => void,
  where?: string,
): Promise<void> {
  const read = rowReader(column);
  await session.copy(rangeSelect(column, range, where), (cells) => {
    onRow(read(cells));
  });
}

export function rangeSelect(column: Column, range: HeapRange, where = 'true'): string {
  return `SELECT ${rowExpressions(column).join(', ')}
       FROM ${column.ownRows} t WHERE ${rangeCondition(column, range, where)}`;
}

export function rangeCondition({ tableId, isLocked }: Column, { from, to }: HeapRange, where = 'true'): string {
  return [
    // The name may have come to mean another table, although this one is locked: ALTER SCHEMA RENAME asks for no lock.
    // A right to single columns does not let a user read this one.
    ...(isLocked ? [isOf(tableId)] : []),
    ...(from === undefined ? [] : [`t.ctid OPERATOR(pg_catalog.>=) '${ctidOf(from)}'::pg_catalog.tid`]),
    ...(to === undefined ? [] : [`t.ctid OPERATOR(pg_catalog.<) '${ctidOf(to)}'::pg_catalog.tid`]),
    where,
  ].join(' AND ');
}

export function ctidOf(place: number): string {
  return `(${Math.floor(place / PLACES_OF_PAGE)},${place % PLACES_OF_PAGE})`;
}

function isOf(tableId: string): string {
  return `t.tableoid OPERATOR(pg_catalog.=) ANY (SELECT ${tableId}::pg_catalog.oid
       UNION SELECT relid FROM pg_catalog.pg_partition_tree(${tableId}::pg_catalog.oid::pg_catalog.regclass))`;
}
