import type { Connection } from '../connection/database.ts';
import type { FoundColumn } from './found-column.ts';
import type { OpeningKeys } from '../known-keys.ts';
import type { Candidate } from './candidates.ts';
import { foundIn } from './judge-values.ts';

const SAMPLE = 400;
const MOST_BYTES = 16_384;

/** The number of `pg_largeobject`, the same in every database. */
export const LARGE_OBJECTS_ID = '2613';

const OBJECTS: Candidate = {
  tableId: LARGE_OBJECTS_ID,
  table: 'pg_largeobject',
  column: 'data',
  columnNumber: 3,
  storage: 'bytea',
  tree: '',
  reason: undefined,
  kind: 'large objects',
  isMaterialized: false,
  isGenerated: false,
};

/** Rejects where this user may not read each of those that were chosen. */
export async function lookAtLargeObjects(
  session: Connection,
  contexts: readonly string[],
  keys: OpeningKeys,
): Promise<readonly FoundColumn[]> {
  const found = await session.rows(
    `SELECT pg_catalog.lo_get(oid, 0, ${MOST_BYTES})
       FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY pg_catalog.random() LIMIT ${SAMPLE}) sample`,
  );
  const values = found.flatMap(([text]) => (text == null ? [] : [{ text, contexts: ['', ...contexts] }]));
  const { columns } = await foundIn(OBJECTS, values, keys, Infinity);
  return columns.map((one) => ({ ...one, uncountable: OBJECTS.kind }));
}
