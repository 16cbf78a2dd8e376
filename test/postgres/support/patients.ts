import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { keyOf } from '../../support/ring.ts';
import type { Postgres } from './postgres.ts';

/** The options that name the column of `fillPatients`. */
export const PATIENTS = ['--table', 'patients', '--column', 'notes', '--context', 'patients:{id}:notes'];

/** A note of the patient with this id; `number` 0: as where the writer did not know it, with key 1. */
export function patientRow(text: string, number: number, id: number): Buffer {
  const key = keyOf(number === 0 ? 1 : number);
  return encryptField(text, key, `patients:${id}:notes`, { number: number === 0 ? 0 : toKeyNumber(number) });
}

/** Makes the table again, with these notes; ids count from 1. */
export async function fillPatients({ client }: Postgres, rows: readonly (Buffer | null)[]): Promise<void> {
  await client.query('DROP TABLE IF EXISTS patients');
  await client.query('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  await client.query('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
    rows.map((_, index) => index + 1),
    rows,
  ]);
  await client.query('ANALYZE patients');
}
