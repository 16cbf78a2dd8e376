import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { KeyRing } from '../../../src/keyring/key-ring.ts';
import { sourceOf } from '../../../src/keyring/source/secret-source.ts';
import { pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { nonceOf, OLDER_FORMS, type OlderForm } from './older-rows.ts';
import type { Postgres } from './postgres.ts';

const AT_ONCE = 10_000;

/**
 * Rows under key 1 in each form of `OLDER_FORMS`, each in a table of its own, while key 2 is current (and key 3 was, so
 * that key 1 may go): counts, re-encrypts and retires with the operator's commands, a day later by the service's clock.
 * Throws an `AssertionError` unless every row then opens with a key ring opened afresh, which takes no older data.
 * `folder`: for a file of columns. `say`: told of each part that is done.
 */
export async function olderDataRound(
  postgres: Postgres,
  rows: number,
  folder: string,
  say: (what: string) => void = () => undefined,
): Promise<void> {
  const ring = await ringWith(1, current(2), previous(3));
  await ring.service.advance(25 * HOUR);
  const columns: ColumnSpec[] = [];
  for (const [index, form] of OLDER_FORMS.entries()) {
    const table = `older_${index + 1}`;
    await fill(postgres, table, form, rows);
    columns.push({ table, column: 'notes', context: `${table}:{id}:notes` });
    say(`${rows} rows written: ${form.name}, in ${form.type}`);
  }
  const file = join(folder, 'columns.json');
  writeFileSync(file, JSON.stringify(columns));
  const command = (...args: readonly string[]) =>
    pazpazKeys(ring, [...args, '--columns', file], { environment: { DATABASE_URL: postgres.url } });

  const counted = { numbered: {}, unnumbered: {}, legacy: { 1: rows }, unreadable: 0, toReencrypt: rows };
  for (const column of columnsIn(await command('census', '--json'), 0)) assertHolds(column, counted);
  say('a census finds all of them under key 1');
  const before = ring.snapshot;
  assert.equal((await command('retire', '1', '--yes')).exitCode, 1);
  assert.equal(ring.snapshot, before);
  assert(isOnRing(ring, 1));
  say('retire 1 refused');

  for (const { totals, left } of columnsIn(await command('reencrypt', '--json'), 0)) {
    assertHolds(totals, { readRows: rows, reencrypted: rows, alreadyCurrent: 0 });
    assert.deepEqual(left, []);
  }
  await ring.service.advance(25 * HOUR);
  say('re-encrypted, a day ago');
  assert.equal((await command('retire', '1', '--yes')).exitCode, 0);
  assert(!isOnRing(ring, 1));
  say('key 1 retired, after another census');
  for (const column of columnsIn(await command('census', '--json'), 0)) {
    assertHolds(column, { numbered: { 2: rows }, unnumbered: {}, legacy: {}, unreadable: 0 });
  }
  await requireAllOpen(postgres, ring, columns, rows);
}

function isOnRing(ring: TestRing, number: number): boolean {
  return JSON.stringify(ring.secret.versions).includes(`"key-v${number}"`);
}

async function fill(postgres: Postgres, table: string, { type, make }: OlderForm, rows: number): Promise<void> {
  await postgres.client.query(`DROP TABLE IF EXISTS ${table}`);
  await postgres.client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, notes ${type})`);
  for (let from = 1; from <= rows; from += AT_ONCE) {
    const ids = Array.from({ length: Math.min(AT_ONCE, rows - from + 1) }, (_, index) => from + index);
    await postgres.client.query(`INSERT INTO ${table} SELECT * FROM unnest($1::int[], $2::${type}[])`, [
      ids,
      ids.map((id) => make(`note ${id}`, { key: keyOf(1), nonce: nonceOf(id) })),
    ]);
  }
  await postgres.client.query(`ANALYZE ${table}`);
}

async function requireAllOpen(
  postgres: Postgres,
  { client }: TestRing,
  columns: readonly ColumnSpec[],
  rows: number,
): Promise<void> {
  const keys = await KeyRing.open(
    { keySource: 'aws', environment: 'staging', region: 'us-east-1', secretId: SECRET, environmentKey: undefined },
    { source: await sourceOf(client, SECRET), legacy: false, logger: () => undefined },
  );
  try {
    for (const { table } of columns) {
      let opened = 0;
      for (let from = 1; from <= rows; from += AT_ONCE) {
        const { rows: stored } = await postgres.client.query<{ id: number; notes: unknown }>(
          `SELECT id, notes FROM ${table} WHERE id >= $1 AND id < $2`,
          [from, from + AT_ONCE],
        );
        for (const { id, notes } of stored) {
          const row = Buffer.isBuffer(notes) ? notes : Buffer.from(String(notes), 'base64');
          assert.equal(row[0], 2);
          assert.equal(await keys.decryptField(row, `${table}:${id}:notes`), `note ${id}`);
          opened += 1;
        }
      }
      assert.equal(opened, rows, table);
    }
  } finally {
    keys.close();
  }
}

/** What a command said of each column, as JSON. */
function columnsIn({ exitCode, stdout, stderr }: Ran, expected: number): readonly Record<string, unknown>[] {
  assert.equal(exitCode, expected, stdout + stderr);
  const answer = JSON.parse(stdout) as { readonly result: { readonly columns: readonly Record<string, unknown>[] } };
  assert.equal(answer.result.columns.length, OLDER_FORMS.length);
  return answer.result.columns;
}

function assertHolds(actual: unknown, expected: object): void {
  assert(typeof actual === 'object' && actual !== null);
  assert.deepEqual({ ...actual, ...expected }, actual);
}
