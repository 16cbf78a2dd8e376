import type { RingKeys } from './all-keys.ts';
import type { Column } from './catalog/column.ts';
import type { Connection } from './connection/database.ts';
import { namingDamage } from './damaged-rows.ts';
import { rangeSelect, scanRange } from './heap-scan.ts';
import type { ScannedRow } from './row-reader.ts';
import { readTable, type ReadRange } from './shared-snapshot.ts';
import type { Tally } from './tally.ts';
import { TallyThread } from './tally-thread.ts';

export interface TallyOptions {
  readonly rangeBytes: number | undefined;
  /** Rejects where no further statement may be planned. */
  readonly beforeRange: () => Promise<void>;
  /** Gets the number of all rows so far, now and then; what it throws ends the count. */
  readonly onRows: (rows: number) => void;
  /** The program of a thread; `undefined`: rows are opened in this one. */
  readonly thread: string | undefined;
}

export async function tallyTable(
  readers: readonly Connection[],
  column: Column,
  keys: RingKeys,
  tally: Tally,
  { rangeBytes, beforeRange, onRows, thread }: TallyOptions,
): Promise<void> {
  if (thread === undefined || readers.length === 1) {
    const onRow = (row: ScannedRow) => {
      tally.add(row);
      onRows(tally.counts.rows);
    };
    const readRange: ReadRange = (reader, range) =>
      namingDamage(reader, column, range, () => scanRange(reader, column, range, onRow));
    await readTable(readers, column, readRange, { rangeBytes, beforeRange });
    return;
  }
  let rows = 0;
  const onTaken = (taken: number) => {
    rows += taken;
    onRows(rows);
  };
  const threads = readers.map(() => new TallyThread(thread, column, keys.known, onTaken));
  try {
    const readRange: ReadRange = async (reader, range, n) => {
      const copy = threads[n]?.beginCopy();
      const read = () => reader.copyData(rangeSelect(column, range), (chunk) => copy?.add(chunk));
      await namingDamage(reader, column, range, read);
      await copy?.end();
    };
    await readTable(readers, column, readRange, { rangeBytes, beforeRange });
    for (const one of threads) tally.absorb(await one.counts());
  } finally {
    for (const one of threads) await one.close();
  }
}
