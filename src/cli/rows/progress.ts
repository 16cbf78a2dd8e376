import type { RingKeys } from '../../postgres/all-keys.ts';
import { census, type CensusOptions, type ColumnCensus } from '../../postgres/census.ts';
import { columnName, type Column, type ColumnSpec } from '../../postgres/catalog/column.ts';
import type { DatabaseAddress } from '../../postgres/connection/database.ts';
import type { JobTotals } from '../../postgres/job/job.ts';
import type { Screen, ProcessIo } from '../process-io.ts';
import { ERASE_LINE } from '../terminal/paint.ts';
import { writersTimeoutOf, type ColumnFlags } from './column-flags.ts';
import { grouped } from './census-screen.ts';

export interface ShownProgress {
  readonly column: Pick<Column, 'spec' | 'estimatedRows'>;
  readonly totals: Pick<JobTotals, 'readRows'>;
  readonly waitsFor?: string | undefined;
  readonly maxRowsPerSecond?: number | null;
}

/** Milliseconds, on a terminal and elsewhere. */
const REDRAW = 200;
const LINE = 10_000;

/** One updated line on a terminal, a new line every ten seconds elsewhere. */
export class ProgressLine {
  readonly #screen: Screen;
  readonly #now: () => number;
  #saidAt: number;
  #first: { readonly at: number; readonly rows: number; readonly name: string } | undefined;
  #isDrawn = false;

  /** `now` returns milliseconds. */
  constructor(screen: Screen, now: () => number) {
    this.#screen = screen;
    this.#now = now;
    this.#saidAt = now();
  }

  readonly onBatch = (progress: ShownProgress): void => {
    const now = this.#now();
    const name = columnName(progress.column);
    if (this.#first?.name !== name) this.#first = { at: now, rows: progress.totals.readRows, name };
    if (!this.#isDue()) return;
    this.#draw(progressLine(progress, this.#first, now));
  };

  /** The transactions that a count of the table waits for. */
  readonly onWait = (table: string, writers: string): void => {
    if (!this.#isDue()) return;
    this.#draw(`${table}: waits for what may still write: ${writers}`);
  };

  /** The table that is searched for ciphertexts. */
  readonly onSearch = (table: string, looked: number, of: number): void => {
    if (!this.#isDue()) return;
    this.#draw(`Search for ciphertexts: ${grouped(looked)} of ${grouped(of)} columns, at ${table}`);
  };

  #draw(line: string): void {
    if (this.#screen.isTTY !== true) this.#screen.write(`${line}\n`);
    else {
      this.#isDrawn = true;
      this.#screen.write(`${ERASE_LINE}${line}`);
    }
  }

  #isDue(): boolean {
    const now = this.#now();
    if (now - this.#saidAt < (this.#screen.isTTY === true ? REDRAW : LINE)) return false;
    this.#saidAt = now;
    return true;
  }

  end(): void {
    if (this.#isDrawn) this.#screen.write(ERASE_LINE);
    this.#isDrawn = false;
  }
}

/** `patients.notes: 120,000 of about 1,000,000 rows, 25,100 rows/s, about 36 s left`, over all processes. */
export function progressLine(
  { column, totals, waitsFor, maxRowsPerSecond }: ShownProgress,
  first: { readonly at: number; readonly rows: number },
  now: number,
): string {
  const { readRows } = totals;
  const { estimatedRows } = column;
  const of = estimatedRows === undefined ? '' : ` of about ${grouped(Math.max(estimatedRows, readRows))}`;
  const line = `${columnName(column)}: ${grouped(readRows)}${of} rows`;
  if (waitsFor !== undefined) return `${line}, waits: ${waitsFor}`;
  const rate = (readRows - first.rows) / Math.max(0.001, (now - first.at) / 1000);
  if (rate < 1) return line;
  const left = estimatedRows === undefined ? undefined : Math.max(0, estimatedRows - readRows) / rate;
  const most = maxRowsPerSecond == null ? '' : ` (at most ${grouped(maxRowsPerSecond)})`;
  return `${line}, ${grouped(Math.round(rate))} rows/s${most}${left === undefined ? '' : `, about ${duration(left)} left`}`;
}

function duration(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export async function shownCensus(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  world: ProcessIo,
  flags: Pick<ColumnFlags, 'connections' | 'writersTimeout'> = {},
  besides: Pick<CensusOptions, 'beside' | 'watching'> = {},
): Promise<readonly ColumnCensus[]> {
  const progress = new ProgressLine(world.stderr, () => world.now().getTime());
  try {
    return await census(database, specs, keys, {
      connections: flags.connections ?? 1,
      writersTimeout: writersTimeoutOf(flags),
      onWait: progress.onWait,
      thread: world.tallyThread,
      ...besides,
      onBatch: (column, readRows) => {
        progress.onBatch({ column, totals: { readRows } });
      },
    });
  } finally {
    progress.end();
  }
}
