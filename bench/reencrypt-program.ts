import { performance } from 'node:perf_hooks';
import type pg from 'pg';
import { startPostgres } from '../src/local/postgres/embedded-postgres.ts';
import { processorTime } from './processor-time.ts';
import { fill, restore, rowByRow, sizeOfTable, writtenLog } from './reencrypt-table.ts';
import { measuredEffect, measuredRate, type Latency } from './reencrypt-brakes.ts';
import { LOOKS, type Counted, type Orders, type Spent } from './reencrypt-work.ts';

export { scale } from './reencrypt-workers.ts';
export { count, work } from './reencrypt-work.ts';

/** What may be measured alone. */
export type Part = 'speed' | 'census' | 'rate' | 'application' | 'memory';

/** What is measured, and by which means. */
export interface Comparison {
  readonly parts: readonly Part[];
  readonly rows: number;
  /** Rows that the loop does. */
  readonly loopRows: number;
  /** How many processes at once, one after the other. */
  readonly processes: readonly number[];
  readonly keys: readonly Buffer[];
  /** How long the rate and the application are measured. */
  readonly seconds: number;
  /** The program of a census's threads. */
  readonly thread: string;
  /** How often each is measured that is compared with another: in turn, and the fastest counts. */
  readonly repeats: number;
  /** Rows a second of the measured brake. */
  readonly rate: number;
  /** Runs one process; with `flags` of Node's, stopped once `over` is aborted. */
  readonly start: (orders: Orders, flags?: readonly string[], over?: AbortSignal) => Promise<Spent>;
  /** Runs one process of the state that speed is compared with. */
  readonly startBaseline: (orders: Orders) => Promise<Spent>;
  /** Runs one census. */
  readonly count: (orders: Orders) => Promise<Counted>;
  readonly countBaseline: (orders: Orders) => Promise<Counted>;
  readonly say: (line: string) => void;
}

/** One contestant. */
interface Measured {
  readonly what: string;
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

/** Processor time a row, in microseconds. */
interface ProcessorTime {
  readonly ownMicroseconds: number;
  /** `null` where there is no /proc. */
  readonly databaseMicroseconds: number | null;
}

/** What a run of ours cost beside its time. */
interface Ours extends Measured, ProcessorTime {
  readonly processes: number;
  readonly timesLoop: number;
  /** The loop with `synchronous_commit = off`. */
  readonly timesLazyLoop: number;
  readonly highestResidentMegabytes: number;
  readonly logBytesPerRow: number;
  readonly tableMegabytesAfter: number;
}

/** Memory of one process, in megabytes. */
interface Memory {
  readonly rows: number;
  /** As it runs by itself. */
  readonly highestResident: number;
  /** In the heap of `SMALL_HEAP`. */
  readonly highestResidentInSmallHeap: number;
  /** In use after a collection at the first batch, each quarter and the end. */
  readonly inUse: readonly number[];
  /** The highest of `LOOKS` along the run. */
  readonly highestInUse: number;
}

interface Target {
  readonly what: string;
  readonly found: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly isMet: boolean;
}

const TIMES_THE_LOOP = 5;

/** How many times the memory ten times the rows may take before it is called growth: batches differ by some rows' worth. */
const FLAT = 1.25;

/**
 * V8 lets garbage pile up as long as memory is cheap, so what the system counts rises for a while in any program. In a
 * heap of a few MB more than is in use it cannot; what would grow with the table would fill it, and end the process.
 */
const SMALL_HEAP = ['--max-old-space-size=24', '--max-semi-space-size=2'];

/** Says the figures as they come, and gives all of them. */
export async function compare(comparison: Comparison) {
  const { rows, processes, keys, say } = comparison;
  const postgres = await startPostgres(true);
  try {
    const { client, url } = postgres;
    await fill(client, rows, keys);
    await restore(client);
    const [{ version } = { version: '' }] = (await client.query<{ version: string }>('SELECT version()')).rows;
    const about = {
      postgres: version.split(' on ')[0] ?? '',
      rows,
      tableMegabytes: megabytes(await sizeOfTable(client)),
    };
    say(`${about.postgres}, ${rows} rows in ${about.tableMegabytes} MB, commits wait for the disk.`);
    const has = (part: Part) => comparison.parts.includes(part);
    const loops = has('speed') ? await looping(client, comparison) : [];
    const { thread } = comparison;
    const orders: Orders = { url, thread, keys: keys.map((key) => key.toString('base64')), collectAlong: undefined };
    const ours: Ours[] = [];
    const formers: Former[] = [];
    for (let round = 0; has('speed') && round < comparison.repeats; round += 1) {
      ours.push(await reencrypting(client, comparison, orders, 1, loops));
      formers.push(await formerly(client, comparison, orders));
    }
    for (const count of has('speed') ? processes.filter((count) => count !== 1) : []) {
      ours.push(await reencrypting(client, comparison, orders, count, loops));
    }
    if (has('census') && !has('speed')) await comparison.start(orders);
    const counts = has('census') ? await counting(comparison, orders) : [];
    const again = has('census')
      ? await measured('reencrypt, nothing to do', rows, say, () => comparison.start(orders))
      : undefined;

    const { start, seconds } = comparison;
    const rate = has('rate') ? await measuredRate(client, start, orders, comparison.rate, seconds) : NaN;
    if (has('rate'))
      say(`--max-rows-per-second ${comparison.rate}, 2 processes of 2 connections: ${rate.toFixed(0)} rows/s`);
    const effect = has('application') ? await measuredEffect(client, start, orders, rows, seconds) : [];
    for (const { what, updates, median, p99 } of effect) {
      say(`updates of an application ${what}: median ${median} ms, 99% within ${p99} ms (${updates})`);
    }

    const memory: Memory[] = [];
    for (const count of has('memory') ? [Math.ceil(rows / 10), rows] : []) {
      memory.push(await remembering(client, comparison, { ...orders, collectAlong: count }, count));
    }
    const targets = [
      ...judged(ours, memory),
      ...judgedSpeed({ ours, formers, counts, wanted: comparison.rate, rate, effect }),
      // What was not measured is no number.
    ].filter(({ found }) => !Number.isNaN(found));
    for (const { what, found, atLeast, atMost, isMet } of targets) {
      const aims = [
        ...(atLeast === undefined ? [] : [`at least ${atLeast}`]),
        ...(atMost === undefined ? [] : [`at most ${atMost}`]),
      ];
      say(`${isMet ? 'met' : 'MISSED'}: ${what}: ${found.toFixed(2)}, ${aims.join(' and ')}`);
    }
    return { ...about, loops, ours, formers, census: counts, nothingToDo: again, rate, effect, memory, targets };
  } finally {
    await postgres.stop();
  }
}

/** The loop that people write, with commits that wait for the disk and with others. */
async function looping(client: pg.Client, { loopRows, keys, say }: Comparison): Promise<readonly Measured[]> {
  // Warm caches and prepared statements are the loop's.
  await rowByRow(client, Math.min(1000, loopRows), keys);
  const loops: Measured[] = [];
  for (const [what, commit] of [
    ['a row at a time', 'on'],
    ['the same, not waiting for the disk', 'off'],
  ] as const) {
    await restore(client);
    await client.query(`SET synchronous_commit = ${commit}`);
    loops.push(await measured(what, loopRows, say, () => rowByRow(client, loopRows, keys)));
  }
  await client.query('RESET synchronous_commit');
  return loops;
}

type Former = Measured & ProcessorTime;

/** A re-encryption of the state that speed is compared with. */
async function formerly(client: pg.Client, comparison: Comparison, orders: Orders): Promise<Former> {
  const { rows, say, startBaseline } = comparison;
  await restore(client);
  const { time, cost } = await spending(client, comparison, 'reencrypt of the baseline, 1 process', [
    () => startBaseline(orders),
  ]);
  say(`  a row: ${inWords(cost)}`);
  return { ...time, ...cost, rows };
}

/** Runs processes at once, and measures the time that they and PostgreSQL's processors take. */
async function spending(
  client: pg.Client,
  { rows, say }: Comparison,
  what: string,
  starts: readonly (() => Promise<Spent>)[],
) {
  const busyBefore = await processorTime(client);
  let spent: readonly Spent[] = [];
  const time = await measured(what, rows, say, async () => {
    spent = await Promise.all(starts.map((start) => start()));
  });
  const busy = await processorTime(client);
  const cost: ProcessorTime = {
    ownMicroseconds: (spent.reduce((total, one) => total + one.processorTime, 0) / rows) * 1e6,
    databaseMicroseconds: busy === undefined || busyBefore === undefined ? null : ((busy - busyBefore) / rows) * 1e6,
  };
  return { time, spent, cost };
}

function inWords({ ownMicroseconds, databaseMicroseconds }: ProcessorTime): string {
  return (
    `${ownMicroseconds.toFixed(1)} µs of processor time in our processes, ` +
    `${databaseMicroseconds?.toFixed(1) ?? '?'} µs in PostgreSQL`
  );
}

/** A census of one connection, of two, and the baseline's, in turn. */
async function counting(
  { rows, repeats, say, count, countBaseline }: Comparison,
  orders: Orders,
): Promise<readonly Measured[]> {
  const ways: readonly [string, () => Promise<Counted>][] = [
    ['census of the baseline', () => countBaseline(orders)],
    ['census, 1 connection', () => count(orders)],
    ['census, 2 connections', () => count({ ...orders, connections: 2 })],
  ];
  const least = new Map<string, number>();
  for (const [what, act] of Array.from({ length: repeats }, () => ways).flat()) {
    const { numbered, seconds } = await act();
    if (numbered[2] !== rows) throw new Error(`Not every row is under key 2: ${JSON.stringify(numbered)}`);
    least.set(what, Math.min(seconds, least.get(what) ?? Infinity));
  }
  return [...least].map(([what, seconds]) => {
    say(`${what}: ${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`);
    return { what, rows, seconds, rowsPerSecond: rows / seconds };
  });
}

async function reencrypting(
  client: pg.Client,
  comparison: Comparison,
  orders: Orders,
  processes: number,
  [loop, lazyLoop]: readonly Measured[],
): Promise<Ours> {
  const { rows, start, say } = comparison;
  await restore(client);
  const logBefore = await writtenLog(client);
  const what = `reencrypt, ${processes} process${processes === 1 ? '' : 'es'}`;
  const starts = Array.from({ length: processes }, () => () => start(orders));
  const { time, spent, cost } = await spending(client, comparison, what, starts);
  const ours: Ours = {
    ...time,
    ...cost,
    processes,
    timesLoop: time.rowsPerSecond / (loop?.rowsPerSecond ?? NaN),
    timesLazyLoop: time.rowsPerSecond / (lazyLoop?.rowsPerSecond ?? NaN),
    highestResidentMegabytes: megabytes(Math.max(...spent.map(({ highestResident }) => highestResident))),
    logBytesPerRow: Math.round(((await writtenLog(client)) - logBefore) / rows),
    tableMegabytesAfter: megabytes(await sizeOfTable(client)),
  };
  say(
    `  ${ours.timesLoop.toFixed(1)} times the loop, ${ours.timesLazyLoop.toFixed(1)} times the one that does not wait; ` +
      `at most ${ours.highestResidentMegabytes} MB resident in a process`,
  );
  say(
    `  a row: ${inWords(cost)}, ${ours.logBytesPerRow} bytes of write-ahead log; ` +
      `the table has ${ours.tableMegabytesAfter} MB after it`,
  );
  return ours;
}

async function remembering(
  client: pg.Client,
  { start, say }: Comparison,
  orders: Orders,
  rows: number,
): Promise<Memory> {
  await restore(client, rows);
  const { highestResident } = await start({ ...orders, collectAlong: undefined });
  await restore(client, rows);
  const small = await start(orders, [...SMALL_HEAP, '--expose-gc']);
  const memory: Memory = {
    rows,
    highestResident: megabytes(highestResident),
    highestResidentInSmallHeap: megabytes(small.highestResident),
    inUse: small.inUse.filter((_, index) => index % (LOOKS / 4) === 0).map(tenths),
    highestInUse: tenths(Math.max(...small.inUse)),
  };
  say(
    `memory of a process, ${rows} rows: ${memory.inUse.join(', ')} MB in use after a collection at the first batch, each ` +
      `quarter and the end, at most ${memory.highestInUse} at any of ${LOOKS} looks; at most ${memory.highestResidentInSmallHeap} MB resident in a heap of 24 MB, ` +
      `${memory.highestResident} MB where V8 is left to itself`,
  );
  return memory;
}

function judged(ours: readonly Ours[], memory: readonly Memory[]): readonly Target[] {
  const [fewer, all] = memory;
  const growth = (of: (memory: Memory) => number) =>
    fewer === undefined || all === undefined ? NaN : of(all) / of(fewer);
  const atMost = (what: string, found: number): Target => ({ what, found, atMost: FLAT, isMet: found <= FLAT });
  const timesLoop = fastest(ours.filter(({ processes }) => processes === 1))?.timesLoop ?? NaN;
  const rows = `${all?.rows ?? 0} rows beside ${fewer?.rows ?? 0}`;
  return [
    {
      what: 'one process beside a row at a time, times',
      found: timesLoop,
      atLeast: TIMES_THE_LOOP,
      isMet: timesLoop >= TIMES_THE_LOOP,
    },
    atMost(
      `memory in use, ${rows}, times`,
      growth(({ highestInUse }) => highestInUse),
    ),
    atMost(
      `highest resident in a heap of 24 MB, ${rows}, times`,
      growth(({ highestResidentInSmallHeap }) => highestResidentInSmallHeap),
    ),
  ];
}

/** What was measured against the baseline, and beside an application. */
interface Speed {
  readonly ours: readonly Ours[];
  readonly formers: readonly Former[];
  readonly counts: readonly Measured[];
  readonly wanted: number;
  readonly rate: number;
  readonly effect: readonly Latency[];
}

function judgedSpeed({ ours, formers, counts, wanted, rate, effect }: Speed): readonly Target[] {
  const [before, one, two] = counts.map(({ rowsPerSecond }) => rowsPerSecond);
  const [alone, braked] = effect.map(({ p99 }) => p99);
  const single = ours.filter(({ processes }) => processes === 1);
  const now = fastest(single)?.rowsPerSecond;
  const former = fastest(formers)?.rowsPerSecond;
  const cost = (runs: readonly ProcessorTime[]) =>
    Math.min(...runs.map((run) => run.ownMicroseconds + (run.databaseMicroseconds ?? NaN)));
  const target = (what: string, found: number, limits: Pick<Target, 'atLeast' | 'atMost'>): Target => {
    const { atLeast = -Infinity, atMost = Infinity } = limits;
    return { what, found, ...limits, isMet: found >= atLeast && found <= atMost };
  };
  const ratio = (of: number | undefined, to: number | undefined) => (of ?? NaN) / (to ?? NaN);
  return [
    target('census beside the baseline, times', ratio(one, before), { atLeast: 1.5 }),
    target('census of 2 connections beside 1, times', ratio(two, one), { atLeast: 1 }),
    target('reencrypt without brakes beside the baseline, times', ratio(now, former), { atLeast: 1 }),
    // Two runs of the same code differ by this much on a machine that does nothing else.
    target('processor time of the baseline beside that, times', cost(formers) / cost(single), { atLeast: 0.95 }),
    target(`rows/s with --max-rows-per-second ${wanted}`, rate, { atLeast: wanted * 0.95, atMost: wanted * 1.025 }),
    target("99% of an application's updates, beside re-encryption and alone, times", ratio(braked, alone), {
      atMost: 2,
    }),
  ];
}

/** The run that took the least time: other programs of the machine disturbed it least. */
function fastest<M extends Measured>(runs: readonly M[]): M | undefined {
  return [...runs].sort((one, other) => one.seconds - other.seconds)[0];
}

/** `act` may give the seconds of what counts. */
async function measured(
  what: string,
  rows: number,
  say: (line: string) => void,
  act: () => Promise<unknown>,
): Promise<Measured> {
  const start = performance.now();
  const given = await act();
  const seconds = typeof given === 'number' ? given : (performance.now() - start) / 1000;
  const rowsPerSecond = rows / seconds;
  say(`${what}: ${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rowsPerSecond)} rows/s`);
  return { what, rows, seconds, rowsPerSecond };
}

/** Megabytes to a tenth. */
function tenths(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
