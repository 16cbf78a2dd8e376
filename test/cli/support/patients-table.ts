import { encryptField } from '../../../src/format/field.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { oldBox } from '../../format/support/old-application.ts';
import type { Postgres } from '../../postgres/support/postgres.ts';
import { keyOf } from '../../support/ring.ts';

/** What every row says. */
export const TEXT = 'Patient has diabetes';

/** A row of the table, encrypted with the key of a place, under a number: 0 and `legacy` as other writers do. */
export interface TestRow {
  readonly place: number;
  readonly number: number | 'legacy';
}

export function row(place: number, number: number | 'legacy' = place): TestRow {
  return { place, number };
}

/** Makes the table again, without any job. */
export async function fillTable(postgres: Postgres, rows: readonly TestRow[]): Promise<void> {
  await postgres.client.query('DROP TABLE IF EXISTS patients; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await postgres.client.query('CREATE TABLE patients (id serial PRIMARY KEY, notes bytea)');
  for (const one of rows) await addRow(postgres, one);
}

export async function addRow({ client }: Postgres, { place, number }: TestRow): Promise<void> {
  const next = await client.query<{ id: number }>('INSERT INTO patients DEFAULT VALUES RETURNING id');
  const id = next.rows[0]?.id ?? 0;
  const key = KeyMaterial.fromBytes(keyOf(place));
  const notes =
    number === 'legacy'
      ? oldBox(TEXT, { key: keyOf(place) })
      : encryptField(TEXT, key, `patients:${id}:notes`, { number: number === 0 ? 0 : toKeyNumber(number) });
  await client.query('UPDATE patients SET notes = $2 WHERE id = $1', [id, notes]);
}
