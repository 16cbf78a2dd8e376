import { asc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { encryptedBytes, encryptedJson, encryptedText } from '../../src/columns/drizzle.ts';
import type { ColumnRing, ColumnStorage } from '../../src/columns/encrypted-column.ts';
import { describeColumns } from './support/column-contract.ts';

function patientsTable(storage: ColumnStorage, ring: () => ColumnRing) {
  const column = (context: string) => ({ ring, context, storage });
  return pgTable(`patients_${storage}`, {
    id: integer('id').primaryKey(),
    notes: encryptedText('notes', column('patients.notes')),
    scan: encryptedBytes('scan', column('patients.scan')),
    allergies: encryptedJson<{ readonly pollen: boolean }>('allergies', column('patients.allergies')),
  });
}

describeColumns({
  name: 'Drizzle',
  waits: false,
  contextOf: (column) => `patients.${column}`,
  open: (url, storage, ring) => {
    const pool = new pg.Pool({ connectionString: url });
    const db = drizzle(pool);
    const patients = patientsTable(storage, ring);
    return {
      add: (patient) => unwrapped(db.insert(patients).values(patient)),
      all: () => unwrapped(db.select().from(patients).orderBy(asc(patients.id))),
      notesOf: async (id) => {
        const [row] = await unwrapped(db.select({ notes: patients.notes }).from(patients).where(eq(patients.id, id)));
        return row?.notes;
      },
      setNotes: (id, notes) => unwrapped(db.update(patients).set({ notes }).where(eq(patients.id, id))),
      close: () => pool.end(),
    };
  },
});

test('a context that needs the row is refused, because Drizzle does not show it', () => {
  expect(() => encryptedText('notes', { ring: noRing, context: 'patients:{id}:notes' })).toThrow(
    "needs the row's id, but Drizzle shows",
  );
});

function noRing(): never {
  throw new Error('not opened');
}

/** Drizzle wraps an error of the driver or of a column in one of its own, whose cause it is. */
async function unwrapped<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
  }
}
