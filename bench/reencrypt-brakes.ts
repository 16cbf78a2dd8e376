import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DEFAULT_BRAKES, FULL_SPEED } from '../src/postgres/job/brakes.ts';
import { restore } from './reencrypt-table.ts';
import type { Orders, Spent } from './reencrypt-work.ts';

/** Updates of the application in a second, over all of its connections. */
const UPDATES_PER_SECOND = 200;

/** Rounds of all ways in turn: other programs of the machine disturb each of them alike. */
const ROUNDS = 4;

/** Connections of the application, so that one slow update does not hold the next. */
const CONNECTIONS = 4;

/** Runs one process, stopped once `over` is aborted. */
type Start = (orders: Orders, flags?: readonly string[], over?: AbortSignal) => Promise<Spent>;

/** How long an application's updates took, in milliseconds. */
export interface Latency {
  readonly what: string;
  readonly updates: number;
  readonly median: number;
  readonly p99: number;
}

/** The rate that two processes of two connections keep to; measured from the first rows that were done to the last. */
export async function measuredRate(
  client: pg.Client,
  start: Start,
  orders: Orders,
  rate: number,
  seconds: number,
): Promise<number> {
  await restore(client, rate * seconds);
  const brakes = { ...FULL_SPEED, maxRowsPerSecond: rate };
  let isOver = false;
  const working = Promise.all([1, 2].map(() => start({ ...orders, brakes }))).finally(() => {
    isOver = true;
  });
  const looks: { readonly at: number; readonly rows: number }[] = [];
  const isGoing = () => !isOver;
  while (isGoing()) {
    await sleep(50);
    if (!(await hasBegun(client))) continue;
    const { rows } = await client.query<{ done: string | null }>(
      `SELECT sum(read_rows) AS done FROM pazpaz_keys.range r JOIN pazpaz_keys.job j ON j.id = r.job_id
        WHERE j.table_id = 'patients'::regclass`,
    );
    looks.push({ at: performance.now(), rows: Number(rows[0]?.done ?? 0) });
  }
  await working;
  const first = looks.find((look) => look.rows > 0);
  const last = looks.find((look) => look.rows === rate * seconds);
  if (first === undefined || last === undefined) throw new Error('The rate was not seen.');
  return ((last.rows - first.rows) / (last.at - first.at)) * 1000;
}

/** Whether the first process has made the job's tables. */
async function hasBegun(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ is: boolean }>("SELECT to_regclass('pazpaz_keys.brake') IS NOT NULL AS is");
  return rows[0]?.is === true;
}

/** What an application's updates take alone, beside re-encryption with the usual brakes, and beside it without any. */
export async function measuredEffect(
  client: pg.Client,
  start: Start,
  orders: Orders,
  rows: number,
  seconds: number,
): Promise<readonly Latency[]> {
  const ways = [
    { what: 'alone', brakes: undefined },
    { what: 'beside re-encryption with the usual brakes', brakes: DEFAULT_BRAKES },
    { what: 'beside re-encryption at full speed', brakes: FULL_SPEED },
  ].map((way) => ({ ...way, times: [] as number[] }));
  for (const { brakes, times } of Array.from({ length: ROUNDS }, () => ways).flat()) {
    await restore(client);
    const over = new AbortController();
    const running = brakes === undefined ? undefined : start({ ...orders, brakes }, [], over.signal);
    // Until its connections are open and its first batches are done.
    if (running !== undefined) await sleep(2000);
    times.push(...(await updates(orders.url, rows, seconds / ROUNDS)));
    over.abort();
    await running;
  }
  return ways.map(({ what, times }) => {
    times.sort((one, other) => one - other);
    const at = (share: number) => Math.round((times[Math.floor(times.length * share)] ?? NaN) * 100) / 100;
    return { what, updates: times.length, median: at(0.5), p99: at(0.99) };
  });
}

/** Updates single rows at an even rate, whether those before are done or not. Gives the milliseconds each took. */
async function updates(url: string, rows: number, seconds: number): Promise<number[]> {
  const clients = Array.from({ length: CONNECTIONS }, () => new pg.Client({ connectionString: url }));
  const times: number[] = [];
  const began = performance.now();
  const workers = clients.map(async (client, worker) => {
    await client.connect();
    for (let n = worker; n < seconds * UPDATES_PER_SECOND; n += CONNECTIONS) {
      const due = began + (n / UPDATES_PER_SECOND) * 1000;
      if (due > performance.now()) await sleep(due - performance.now());
      const id = 1 + Math.floor(Math.random() * rows);
      const startedAt = performance.now();
      await client.query({
        name: 'visit',
        text: 'UPDATE patients SET name = $2 WHERE id = $1',
        values: [id, `visit ${n}`],
      });
      times.push(performance.now() - startedAt);
    }
    await client.end();
  });
  await Promise.all(workers);
  return times;
}
