import { placeOf } from '../../postgres/catalog/column-name.ts';
import type { ColumnCensus } from '../../postgres/census.ts';
import { databaseFacts } from '../../postgres/connection/database-facts.ts';
import { findUnlisted } from '../../postgres/find-columns.ts';
import type { AwsSession } from '../aws/session.ts';
import type { ProcessIo } from '../process-io.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { columnsOf, ringOf } from '../rows/column-options.ts';
import { databaseOf } from '../rows/database-options.ts';
import { namesOf, notCounted } from '../rows/retire-census.ts';
import { shownCensus } from '../rows/progress.ts';
import { unreadKeys } from '../rows/unread-keys.ts';
import type { RowFacts } from './evidence.ts';

/** Names no row. */
export async function countedRows(session: AwsSession, flags: ColumnFlags, world: ProcessIo): Promise<RowFacts> {
  const specs = await columnsOf(flags);
  const database = databaseOf(flags, session, world);
  const keys = await ringOf(session);
  const unread = unreadKeys(keys);
  const { facts, clock: countedFrom } = await databaseFacts(database);
  const counts = await shownCensus(database, specs, keys, world, flags);
  const { clock: countedTo } = await databaseFacts(database);
  const { columns: found, skipped } = await findUnlisted(database, keys, specs);
  return {
    isCounted: true,
    database: { ...facts, countedFrom, countedTo },
    columns: counts.map(withoutRowKeys),
    unlisted: namesOf(notCounted(counts, found)),
    skipped,
    ...(unread.length === 0 ? {} : { unreadKeys: unread }),
  };
}

function withoutRowKeys(census: ColumnCensus): Extract<RowFacts, { isCounted: true }>['columns'][number] {
  const { rows, nulls, empty, numbered, unnumbered, legacy, nested, unreadable, unsearched, unseen } = census;
  return {
    ...placeOf(census),
    rows,
    nulls,
    empty,
    numbered,
    unnumbered,
    legacy,
    nested,
    unreadable,
    unsearched,
    unseen,
  };
}

/** Over all columns. 0: a key without a number. */
export function rowsByKey(rows: RowFacts): ReadonlyMap<number, number> {
  const sums = new Map<number, number>();
  for (const { numbered, unnumbered, legacy } of rows.isCounted ? rows.columns : []) {
    for (const [number, count] of [numbered, unnumbered, legacy].flatMap(Object.entries<number>)) {
      sums.set(Number(number), (sums.get(Number(number)) ?? 0) + count);
    }
  }
  return new Map([...sums].sort(([one], [other]) => one - other));
}

/** `values`: rows with data. `older`, `nested`: rows, or parts of rows, that need a key that is not current. */
export function rowSums(
  rows: RowFacts,
  currentNumber: number,
): Record<'all' | 'values' | 'older' | 'nested' | 'unreadable' | 'unsearched', number> {
  const columns = rows.isCounted ? rows.columns : [];
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const older = [...rowsByKey(rows)].filter(([number]) => number !== currentNumber).map(([, count]) => count);
  return {
    all: sum(columns.map((column) => column.rows)),
    values: sum(columns.map(({ rows: all, nulls, empty }) => all - nulls - empty)),
    nested: sum(
      columns.map(({ nested }) =>
        sum(Object.entries(nested).flatMap(([number, count]) => (Number(number) === currentNumber ? [] : [count]))),
      ),
    ),
    older: sum(older),
    unreadable: sum(columns.map(({ unreadable }) => unreadable)),
    unsearched: sum(columns.map(({ unsearched }) => unsearched)),
  };
}
