import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import type pg from 'pg';
import { census } from '../src/data/census.ts';
import { reencrypt } from '../src/data/reencrypt.ts';
import { RingKeys } from '../src/data/ring-keys.ts';
import { decryptField, encryptField } from '../src/keyring/field.ts';
import { encryptField as encryptPooled } from '../src/keyring/key-in-hand.ts';
import { KeyMaterial } from '../src/keyring/key-material.ts';
import { toKeyNumber } from '../src/keyring/key-number.ts';
import type { SecretSource } from '../src/keyring/secret-source.ts';
import { startPostgres } from '../test/data/postgres.ts';
import { processorTime } from './processor-time.ts';

const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };

/** What a process says at its end. */
interface Spent {
  /** Most memory that it had at any time, as the operating system counts it. */
  readonly peakMegabytes: number;
  /** Seconds of processor time. */
  readonly processorTime: number;
  /** Most memory in use right after a collection; 0 where it was not asked to collect. */
  readonly usedMegabytes: number;
}

/** What a process is told. */
interface Orders {
  readonly url: string;
  readonly keys: readonly string[];
  /** Whether it collects garbage after each batch, to see what is really in use. */
  readonly isCollecting: boolean;
}

interface Comparison {
  readonly rows: number;
  readonly loopRows: number;
  readonly processes: readonly number[];
  readonly keys: readonly Buffer[];
  /** Runs one process. */
  readonly start: (orders: Orders) => Promise<Spent>;
}

/** How much more memory ten times the rows may take before it is called growth: batches differ by a few rows' worth. */
const FLAT = 1.25;

/** Prints the rates. Gives whether one process is at least 5 times as fast as the loop, in memory that does not grow. */
export async function compare({ rows, loopRows, processes, keys, start }: Comparison): Promise<boolean> {
  const postgres = await startPostgres(true);
  try {
    const { client, url } = postgres;
    await fill(client, rows, keys);
    // Warm caches and prepared statements are the loop's.
    await rowByRow(client, Math.min(1000, loopRows), keys);
    await restore(client);
    const [{ version } = { version: '' }] = (await client.query<{ version: string }>('SELECT version()')).rows;
    console.log(
      `${version.split(' on ')[0] ?? ''}, ${rows} rows of ${(await size(client)).toString()} MB, commits wait for the disk.`,
    );

    const loop = await rate('a row at a time', loopRows, () => rowByRow(client, loopRows, keys));
    await client.query('SET synchronous_commit = off');
    const lazy = await rate('the same, not waiting for the disk', loopRows, () =>
      rowByRow(client, loopRows, keys, loopRows),
    );
    await client.query('RESET synchronous_commit');
    let isFast = true;
    let peakOfOne = 0;
    const orders = { url, keys: keys.map((key) => key.toString('base64')), isCollecting: false };
    for (const count of processes) {
      await restore(client);
      let spent: readonly Spent[] = [];
      const before = await written(client);
      const busyBefore = await processorTime(client);
      const ours = await rate(`reencrypt, ${count} process${count === 1 ? '' : 'es'}`, rows, async () => {
        spent = await Promise.all(Array.from({ length: count }, () => start(orders)));
      });
      const busy = ((await processorTime(client)) ?? NaN) - (busyBefore ?? NaN);
      const peak = Math.max(...spent.map(({ peakMegabytes }) => peakMegabytes));
      const ownBusy = spent.reduce((total, one) => total + one.processorTime, 0);
      console.log(
        `  ${(ours / loop).toFixed(1)} times the loop, ${(ours / lazy).toFixed(1)} times the one that does not wait; ` +
          `peak memory of a process ${peak} MB`,
      );
      console.log(
        `  processor time a row: ${microseconds(ownBusy, rows)} µs in our processes, ${microseconds(busy, rows)} µs in PostgreSQL`,
      );
      const { wal } = await written(client);
      console.log(
        `  ${Math.round((wal - before.wal) / rows)} bytes of write-ahead log a row; the table grew from ${before.size} MB to ${await size(client)} MB`,
      );
      if (count !== 1) continue;
      isFast = ours >= 5 * loop;
      peakOfOne = peak;
    }
    const ring = await RingKeys.open(source(keys), 'bench');
    await rate('census', rows, async () => {
      const [count] = await census({ url }, [SPEC], ring);
      if (count?.numbered[2] !== rows) throw new Error(`Not every row is under key 2: ${JSON.stringify(count)}`);
    });
    await rate('reencrypt again, nothing to do', rows, () => start(orders));

    const fewer = Math.ceil(rows / 10);
    await restore(client, fewer);
    const peakOfFewer = (await start(orders)).peakMegabytes;
    const used: number[] = [];
    for (const count of [fewer, rows]) {
      await restore(client, count);
      used.push((await start({ ...orders, isCollecting: true })).usedMegabytes);
    }
    const [usedByFewer = 0, usedByAll = 0] = used;
    console.log(
      `memory of a process: ${usedByFewer.toFixed(1)} MB in use after a collection, ${peakOfFewer} MB at its peak, with ${fewer} rows; ` +
        `${usedByAll.toFixed(1)} MB and ${peakOfOne} MB with ${rows}`,
    );
    return isFast && usedByAll <= FLAT * usedByFewer;
  } finally {
    await postgres.stop();
  }
}

/** The work of one process: the database and the keys come over standard input. */
export async function work(): Promise<void> {
  const { url, keys, isCollecting } = JSON.parse(await text(process.stdin)) as Orders;
  const ring = await RingKeys.open(source(keys.map((key) => Buffer.from(key, 'base64'))), 'bench');
  let used = 0;
  const look = () => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    used = Math.max(used, heapUsed + arrayBuffers);
  };
  await reencrypt({ url }, [SPEC], ring, isCollecting ? { onBatch: look } : {});
  const { user, system } = process.cpuUsage();
  const spent: Spent = {
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    processorTime: (user + system) / 1e6,
    usedMegabytes: used / 1e6,
  };
  process.stdout.write(JSON.stringify(spent));
}

async function fill(client: pg.Client, rows: number, keys: readonly Buffer[]): Promise<void> {
  await client.query('CREATE TABLE original (id bigint PRIMARY KEY, name text NOT NULL, notes bytea)');
  const [first] = keys;
  if (first === undefined) return;
  const key = KeyMaterial.fromBytes(first);
  const number = toKeyNumber(1);
  for (let id = 1; id <= rows; id += 10_000) {
    const ids = Array.from({ length: Math.min(10_000, rows - id + 1) }, (_, index) => id + index);
    const notes = ids.map((id) => encryptPooled(`Patient ${id} has diabetes`, key, `patients:${id}:notes`, { number }));
    await client.query(
      "INSERT INTO original SELECT i, 'patient ' || i, decode(n, 'hex') FROM unnest($1::bigint[], $2::text[]) AS u(i, n)",
      [ids, notes.map((note) => note.toString('hex'))],
    );
  }
  await restore(client);
}

/** The table as it was at the start, or its first rows, vacuumed: each contestant finds the same. */
async function restore(client: pg.Client, rows?: number): Promise<void> {
  await client.query('DROP TABLE IF EXISTS patients');
  await client.query('CREATE TABLE patients (LIKE original INCLUDING ALL)');
  await client.query('INSERT INTO patients SELECT * FROM original ORDER BY id LIMIT $1', [rows]);
  await client.query('VACUUM ANALYZE patients');
  await client.query('CHECKPOINT');
}

/** What people write, with prepared statements and the keys in memory. */
async function rowByRow(client: pg.Client, rows: number, keys: readonly Buffer[], after = 0): Promise<void> {
  const [old, next] = keys.map((key) => KeyMaterial.fromBytes(key));
  if (old === undefined || next === undefined) return;
  for (let id = after + 1; id <= after + rows; id += 1) {
    const context = `patients:${id}:notes`;
    const found = await client.query<{ notes: Buffer }>({
      name: 'read',
      text: 'SELECT notes FROM patients WHERE id = $1',
      values: [id],
    });
    const [row] = found.rows;
    if (row === undefined) continue;
    const sealed = encryptField(decryptField(row.notes, old, context), next, context, { number: toKeyNumber(2) });
    await client.query({ name: 'write', text: 'UPDATE patients SET notes = $2 WHERE id = $1', values: [id, sealed] });
  }
}

async function rate(what: string, rows: number, act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  const seconds = (performance.now() - start) / 1000;
  console.log(`${what}: ${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`);
  return rows / seconds;
}

function microseconds(seconds: number, rows: number): string {
  return ((seconds * 1e6) / rows).toFixed(1);
}

/** Bytes of the write-ahead log so far, and the table's size in MB. */
async function written(client: pg.Client): Promise<{ wal: number; size: number }> {
  const { rows } = await client.query<{ wal: string }>("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal");
  return { wal: Number(rows[0]?.wal), size: await size(client) };
}

async function size(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ size: string }>("SELECT pg_total_relation_size('patients') / 1000000 AS size");
  return Number(rows[0]?.size);
}

/** Two keys, the second current. */
function source(keys: readonly Buffer[]): SecretSource {
  const stages = { one: ['key-v1', 'AWSPREVIOUS'], two: ['key-v2', 'AWSCURRENT'] };
  return {
    describe: () => Promise.resolve({ VersionIdsToStages: stages }),
    read: (versionId) => Promise.resolve({ SecretString: keys[versionId === 'one' ? 0 : 1]?.toString('base64') }),
    close: () => undefined,
  };
}
