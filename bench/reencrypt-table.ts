import type pg from 'pg';
import { decryptField, encryptField } from '../src/format/field.ts';
import { encryptField as encryptPooled } from '../src/format/field.ts';
import { KeyMaterial } from '../src/format/key-material.ts';
import { toKeyNumber } from '../src/format/key-number.ts';
import type { SecretSource } from '../src/keyring/source/secret-source.ts';

/** The column that every contestant re-encrypts. */
export const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };

const contextOf = (id: number) => `patients:${id}:notes`;

/** Makes the rows once, under key 1; `restore` copies them from here. */
export async function fill(client: pg.Client, rows: number, [first]: readonly Buffer[]): Promise<void> {
  await client.query('CREATE TABLE original (id bigint PRIMARY KEY, name text NOT NULL, notes bytea)');
  if (first === undefined) return;
  const key = KeyMaterial.fromBytes(first);
  const number = toKeyNumber(1);
  for (let id = 1; id <= rows; id += 10_000) {
    const ids = Array.from({ length: Math.min(10_000, rows - id + 1) }, (_, index) => id + index);
    const notes = ids.map((id) => encryptPooled(`Patient ${id} has diabetes`, key, contextOf(id), { number }));
    await client.query(
      "INSERT INTO original SELECT i, 'patient ' || i, decode(n, 'hex') FROM unnest($1::bigint[], $2::text[]) AS u(i, n)",
      [ids, notes.map((note) => note.toString('hex'))],
    );
  }
}

/** The table as it was at the start, or its first rows, vacuumed: each contestant finds the same. */
export async function restore(client: pg.Client, rows?: number): Promise<void> {
  // The baseline makes tables of jobs of its own, older ones.
  await client.query('DROP TABLE IF EXISTS patients; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await client.query('CREATE TABLE patients (LIKE original INCLUDING ALL)');
  await client.query('INSERT INTO patients SELECT * FROM original ORDER BY id LIMIT $1', [rows]);
  await client.query('VACUUM ANALYZE patients');
  await client.query('CHECKPOINT');
}

/** What people write, with prepared statements and the keys in memory: the first rows of the table. */
export async function rowByRow(client: pg.Client, rows: number, keys: readonly Buffer[]): Promise<void> {
  const [old, next] = keys.map((key) => KeyMaterial.fromBytes(key));
  if (old === undefined || next === undefined) return;
  for (let id = 1; id <= rows; id += 1) {
    const context = contextOf(id);
    const found = await client.query<{ notes: Buffer }>({
      name: 'read',
      text: 'SELECT notes FROM patients WHERE id = $1',
      values: [id],
    });
    const [row] = found.rows;
    if (row === undefined) throw new Error(`Row ${id} is not there.`);
    const sealed = encryptField(decryptField(row.notes, old, context), next, context, { number: toKeyNumber(2) });
    await client.query({ name: 'write', text: 'UPDATE patients SET notes = $2 WHERE id = $1', values: [id, sealed] });
  }
}

/** Bytes of the write-ahead log so far. */
export async function writtenLog(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ wal: string }>("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal");
  return Number(rows[0]?.wal);
}

/** Bytes of the table and its index. */
export async function sizeOfTable(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ size: string }>("SELECT pg_total_relation_size('patients') AS size");
  return Number(rows[0]?.size);
}

/** A ring of two keys in base64, the second current. */
export function twoKeys(keys: readonly string[]): SecretSource {
  const stages = { one: ['key-v1', 'AWSPREVIOUS'], two: ['key-v2', 'AWSCURRENT'] };
  return {
    describe: () => Promise.resolve({ VersionIdsToStages: stages }),
    read: (versionId) => Promise.resolve({ SecretString: keys[versionId === 'one' ? 0 : 1] }),
    close: () => undefined,
  };
}
