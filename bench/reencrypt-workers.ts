import { performance } from 'node:perf_hooks';
import { startPostgres } from '../src/local/postgres/embedded-postgres.ts';
import { processorTime } from './processor-time.ts';
import { fill, restore, sizeOfTable, writtenLog } from './reencrypt-table.ts';
import type { Counted, Orders, Spent } from './reencrypt-work.ts';

/** What is measured with several workers on one PostgreSQL, and by which means. */
export interface Scaling {
  readonly rows: number;
  /** How many workers at once, one after the other. */
  readonly workers: readonly number[];
  readonly keys: readonly Buffer[];
  readonly thread: string;
  /** Runs one worker. */
  readonly start: (orders: Orders) => Promise<Spent>;
  /** Runs one census. */
  readonly count: (orders: Orders) => Promise<Counted>;
  readonly say: (line: string) => void;
}

/** One number of workers. */
interface Scaled {
  readonly workers: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Beside the first number of workers. */
  readonly times: number;
  readonly highestResidentMegabytes: number;
  readonly ownMicroseconds: number;
  readonly databaseMicroseconds: number | null;
  readonly logBytesPerRow: number;
  readonly megabytesBefore: number;
  readonly megabytesAfter: number;
}

/** Re-encrypts the whole table with each number of workers; a census then finds every row under the new key. */
export async function scale({ rows, workers, keys, thread, start, count, say }: Scaling): Promise<readonly Scaled[]> {
  const postgres = await startPostgres(true);
  try {
    const { client, url } = postgres;
    await fill(client, rows, keys);
    const orders: Orders = { url, thread, keys: keys.map((key) => key.toString('base64')), collectAlong: undefined };
    const found: Scaled[] = [];
    for (const many of workers) {
      await restore(client);
      const megabytesBefore = megabytes(await sizeOfTable(client));
      const [logBefore, busyBefore] = [await writtenLog(client), await processorTime(client)];
      const begun = performance.now();
      const spent = await Promise.all(Array.from({ length: many }, () => start(orders)));
      const seconds = (performance.now() - begun) / 1000;
      const [log, busy] = [await writtenLog(client), await processorTime(client)];
      const counted = await count(orders);
      if (counted.numbered[2] !== rows) throw new Error(`Not every row is under key 2: ${JSON.stringify(counted)}`);
      const rowsPerSecond = rows / seconds;
      const scaled: Scaled = {
        workers: many,
        seconds,
        rowsPerSecond,
        times: rowsPerSecond / (found[0]?.rowsPerSecond ?? rowsPerSecond),
        highestResidentMegabytes: megabytes(Math.max(...spent.map(({ highestResident }) => highestResident))),
        ownMicroseconds: (spent.reduce((total, one) => total + one.processorTime, 0) / rows) * 1e6,
        databaseMicroseconds:
          busy === undefined || busyBefore === undefined ? null : ((busy - busyBefore) / rows) * 1e6,
        logBytesPerRow: Math.round((log - logBefore) / rows),
        megabytesBefore,
        megabytesAfter: megabytes(await sizeOfTable(client)),
      };
      found.push(scaled);
      say(
        `${many} worker${many === 1 ? '' : 's'}: ${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rowsPerSecond)} rows/s, ` +
          `${scaled.times.toFixed(2)} times the first; a row: ${scaled.ownMicroseconds.toFixed(1)} µs in the workers, ` +
          `${scaled.databaseMicroseconds?.toFixed(1) ?? '?'} µs in PostgreSQL, ${scaled.logBytesPerRow} bytes of write-ahead log; ` +
          `at most ${scaled.highestResidentMegabytes} MB resident in a worker; the table had ${megabytesBefore} MB and has ` +
          `${scaled.megabytesAfter}; a census of ${Math.round(counted.seconds)} s finds every row under key 2`,
      );
    }
    return found;
  } finally {
    await postgres.stop();
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
