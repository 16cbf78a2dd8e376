import { census, type ColumnCensus } from '../postgres/census.ts';
import type { ColumnSpec } from '../postgres/column.ts';
import type { DatabaseAddress } from '../postgres/database.ts';
import type { RingKeys } from '../postgres/all-keys.ts';
import { ReencryptProgress } from './reencrypt-progress.ts';
import type { World } from './world.ts';

/** Counts as `census` does, and says meanwhile how far it is. */
export async function shownCensus(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  world: World,
): Promise<readonly ColumnCensus[]> {
  const progress = new ReencryptProgress(world.stderr, () => world.now().getTime());
  try {
    return await census(database, specs, keys, {
      onBatch: (column, readRows) => {
        progress.onBatch({ column, totals: { readRows } });
      },
    });
  } finally {
    progress.end();
  }
}
