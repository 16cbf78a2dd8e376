import { text } from 'node:stream/consumers';
import { FULL_SPEED } from '../src/postgres/job/brakes.ts';
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
  const { url, keys, collectAlong } = JSON.parse(await text(process.stdin)) as Orders;
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
  await reencrypt({ url }, [SPEC], ring, {
    brakes: FULL_SPEED,
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
