import {
  and,
  arrayContains,
  asc,
  between,
  desc,
  eq,
  gt,
  inArray,
  isNotNull,
  isNull,
  like,
  ne,
  not,
  sql,
} from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { alias, integer, PgDialect, pgTable } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { encryptedBytes, encryptedJson, encryptedText } from '../../src/columns/drizzle.ts';
import type { ColumnRing, ColumnStorage } from '../../src/columns/encrypted-column.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
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

describe('a condition on an encrypted column', () => {
  const patients = patientsTable('text', noRing);
  const other = alias(patients, 'other');

  test.each<[string, () => unknown]>([
    ['eq', () => eq(patients.notes, 'x')],
    ['ne, in another', () => and(eq(patients.id, 1), not(ne(patients.notes, 'x')))],
    ['inArray', () => inArray(patients.notes, ['x'])],
    ['between', () => between(patients.notes, 'a', 'b')],
    ['gt', () => gt(patients.allergies, { pollen: true })],
    ['a placeholder', () => eq(patients.notes, sql.placeholder('notes'))],
    ['another column', () => eq(patients.notes, patients.notes)],
    ['an alias of the table', () => eq(other.notes, 'x')],
  ])('%s is refused with words', (_name, condition) => {
    expect(condition).toThrow('each encryption has a random nonce');
    expect(condition).toThrow(expect.objectContaining({ code: 'INVALID_COLUMN' }) as Error);
  });

  // They make SQL of the column as isNull does, and never ask it. docs/columns.md says so.
  test('like, asc and desc cannot be told from a condition about NULL', () => {
    const { sql: text } = new PgDialect().sqlToQuery(
      sql`${like(patients.notes, 'x%')}, ${asc(patients.notes)}, ${desc(patients.notes)}`,
    );
    const name = '"patients_text"."notes"';
    expect(text).toBe(`${name} like $1, ${name} asc, ${name} desc`);
  });

  test('about NULL is allowed', () => {
    const { sql: text } = new PgDialect().sqlToQuery(sql`${isNull(patients.notes)} or ${isNotNull(other.notes)}`);
    expect(text).toBe('"patients_text"."notes" is null or "other"."notes" is not null');
  });
});

test('a list of encrypted texts is written and read, and not compared', async () => {
  const ring = await KeyRing.forTest();
  const tags = encryptedText('tags', { ring, context: 'lists.tags', storage: 'text' }).array();
  const lists = pgTable('lists', { tags, nested: encryptedJson('nested', jsonList(ring)).array().array() });
  const cells = lists.tags.mapToDriverValue(['a', 'b']);
  expect(cells).not.toMatch(/[{",](a|b)[",}]/);
  expect(lists.tags.mapFromDriverValue(String(cells))).toEqual(['a', 'b']);
  expect(() => eq(lists.tags, ['a'])).toThrow('each encryption has a random nonce');
  expect(() => arrayContains(lists.nested, [[1]])).toThrow('each encryption has a random nonce');
  ring.close();
});

// Drizzle makes one text of a list, and a ciphertext of bytes would not survive that.
test('a list of bytea values is refused before a table has one', () => {
  const notes = encryptedText('notes', { ring: noRing, context: 'lists.notes' });
  expect(() => notes.array()).toThrow(expect.objectContaining({ code: 'INVALID_COLUMN' }) as Error);
  expect(() => notes.array()).toThrow("storage: 'text'");
});

test('a value that the database makes is refused, because it would be stored unencrypted', () => {
  const column = () => encryptedText('notes', { ring: noRing, context: 'patients.notes', storage: 'text' });
  for (const make of [
    () => column().default('none'),
    () => column().default(sql`'none'`),
    () => column().generatedAlwaysAs(sql`lower(name)`),
    () => column().array().default(['none']),
  ])
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_COLUMN' }) as Error);
  expect(column().$default(() => 'none')).toBeDefined();
});

function jsonList(ring: ColumnRing) {
  return { ring, context: 'lists.nested', storage: 'jsonb' } as const;
}

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
