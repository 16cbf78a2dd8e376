import { text } from 'node:stream/consumers';
import { FULL_SPEED, type Brakes } from '../src/postgres/job/brakes.ts';
import { census } from '../src/postgres/census.ts';
import { reencrypt } from '../src/postgres/job/reencrypt.ts';
import { RingKeys } from '../src/postgres/all-keys.ts';
import { SPEC, twoKeys } from './reencrypt-table.ts';

/** How often it looks: a batch under way makes a look differ from the next, the highest of many less so. */
export const LOOKS = 20;

/** What a process is told. */
export interface Orders {
  readonly url: string;
  /** In base64. */
  readonly keys: readonly string[];
  /** Rows of the table. It collects garbage at the first batch, after each twentieth of them and at the end; `undefined`: never. */
  readonly collectAlong: number | undefined;
  /** Default: none. */
  readonly brakes?: Brakes;
  /** Connections of a census. Default: 1. */
  readonly connections?: number;
  /** The program of their threads. */
  readonly thread: string;
}

/** What it says at its end. */
export interface Spent {
  /** Most memory that it had at any time, as the operating system counts it. */
  readonly highestResident: number;
  /** Bytes in use right after each collection. */
  readonly inUse: readonly number[];
  /** Seconds of processor time. */
  readonly processorTime: number;
}

/** The work of one process: database and keys come over standard input, what it spent goes over standard output. */
export async function work(): Promise<void> {
  const { url, keys, collectAlong, brakes = FULL_SPEED } = JSON.parse(await text(process.stdin)) as Orders;
  const ring = await RingKeys.open(twoKeys(keys), 'bench');
  const inUse: number[] = [];
  const look = () => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    inUse.push(heapUsed + arrayBuffers);
  };
  const onBatch = ({ readRows }: { readonly readRows: number }) => {
    if (collectAlong !== undefined && inUse.length < LOOKS && readRows >= (collectAlong / LOOKS) * inUse.length) look();
  };
  // A measurement of an application ends before the rows do.
  const stop = new AbortController();
  process.once('SIGTERM', () => {
    stop.abort();
  });
  await reencrypt({ url }, [SPEC], ring, {
    brakes,
    signal: stop.signal,
    ...(collectAlong === undefined ? {} : { onBatch }),
  });
  if (collectAlong !== undefined) look();
  const { user, system } = process.cpuUsage();
  const spent: Spent = {
    highestResident: process.resourceUsage().maxRSS * 1024,
    inUse,
    processorTime: (user + system) / 1e6,
  };
  process.stdout.write(JSON.stringify(spent));
}

/** What a census came to. */
export interface Counted {
  readonly numbered: Readonly<Record<number, number>>;
  readonly seconds: number;
}

/** A census in a process of its own. */
export async function count(): Promise<void> {
  const { url, keys, connections = 1, thread } = JSON.parse(await text(process.stdin)) as Orders;
  const ring = await RingKeys.open(twoKeys(keys), 'bench');
  const start = performance.now();
  const [counted] = await census({ url }, [SPEC], ring, { connections, thread });
  if (counted === undefined) throw new Error('Nothing was counted');
  const result: Counted = { numbered: counted.numbered, seconds: (performance.now() - start) / 1000 };
  process.stdout.write(JSON.stringify(result));
}
