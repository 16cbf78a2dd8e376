import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import type pg from 'pg';
import { census } from '../src/data/census.ts';
import { reencrypt } from '../src/data/reencrypt.ts';
import { RingKeys } from '../src/data/ring-keys.ts';
import { encryptField } from '../src/keyring/field.ts';
import { decryptField } from '../src/keyring/field.ts';
import { encryptField as encryptPooled } from '../src/keyring/key-in-hand.ts';
import { KeyMaterial } from '../src/keyring/key-material.ts';
import { toKeyNumber } from '../src/keyring/key-number.ts';
import type { SecretSource } from '../src/keyring/secret-source.ts';
import { startPostgres } from '../test/data/postgres.ts';

const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };

interface Comparison {
  readonly rows: number;
  readonly loopRows: number;
  readonly processes: readonly number[];
  readonly keys: readonly Buffer[];
  readonly start: (url: string, keys: readonly Buffer[]) => Promise<{ readonly peakMegabytes: number }>;
}

/** Prints the rates. Gives whether one process is at least 5 times as fast as the loop. */
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
    for (const count of processes) {
      await restore(client);
      let peak = 0;
      const before = await written(client);
      const ours = await rate(`reencrypt, ${count} process${count === 1 ? '' : 'es'}`, rows, async () => {
        const reports = await Promise.all(Array.from({ length: count }, () => start(url, keys)));
        peak = Math.max(...reports.map(({ peakMegabytes }) => peakMegabytes));
      });
      console.log(
        `  ${(ours / loop).toFixed(1)} times the loop, ${(ours / lazy).toFixed(1)} times the one that does not wait; ` +
          `peak memory of a process ${peak} MB`,
      );
      const { wal } = await written(client);
      console.log(
        `  ${Math.round((wal - before.wal) / rows)} bytes of write-ahead log a row; the table grew from ${before.size} MB to ${await size(client)} MB`,
      );
      if (count === 1) isFast = ours >= 5 * loop;
    }
    const ring = await RingKeys.open(source(keys), 'bench');
    await rate('census', rows, async () => {
      const [count] = await census({ url }, [SPEC], ring);
      if (count?.numbered[2] !== rows) throw new Error(`Not every row is under key 2: ${JSON.stringify(count)}`);
    });
    await rate('reencrypt again, nothing to do', rows, () => start(url, keys));
    return isFast;
  } finally {
    await postgres.stop();
  }
}

/** The work of one process: the database and the keys come over standard input. */
export async function work(): Promise<void> {
  const { url, keys } = JSON.parse(await text(process.stdin)) as { url: string; keys: string[] };
  const ring = await RingKeys.open(source(keys.map((key) => Buffer.from(key, 'base64'))), 'bench');
  await reencrypt({ url }, [SPEC], ring);
  process.stdout.write(JSON.stringify({ peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024) }));
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

/** The table as it was at the start, vacuumed: each contestant finds the same. */
async function restore(client: pg.Client): Promise<void> {
  await client.query('DROP TABLE IF EXISTS patients');
  await client.query('CREATE TABLE patients (LIKE original INCLUDING ALL)');
  await client.query('INSERT INTO patients SELECT * FROM original');
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
