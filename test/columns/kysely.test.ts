import { Kysely, PostgresDialect, sql, type ColumnType } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import pg from 'pg';
import { EncryptedColumns, encryptedBytes, encryptedJson, encryptedText } from '../../src/columns/kysely.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';
import { describeColumns, type Patient } from './support/column-contract.ts';

describeColumns({
  name: 'Kysely',
  waits: true,
  contextOf: (column, id) => `patients:${id}:${column}`,
  open: (url, storage, ring) => {
    const column = (name: string) => ({ ring, context: `patients:{id}:${name}`, storage });
    const db = new Kysely<{ patients_bytea: Patient; patients_text: Patient; patients_jsonb: Patient }>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }),
      plugins: [
        new EncryptedColumns({
          [`patients_${storage}`]: {
            notes: encryptedText(column('notes')),
            scan: encryptedBytes(column('scan')),
            allergies: encryptedJson(column('allergies')),
          },
        }),
      ],
    });
    const table = `patients_${storage}` as const;
    return {
      add: (patient) => db.insertInto(table).values(patient).execute(),
      all: () => db.selectFrom(table).selectAll().orderBy('id').execute(),
      notesOf: async (id) =>
        (await db.selectFrom(table).select(['id', 'notes']).where('id', '=', id).executeTakeFirst())?.notes,
      setNotes: (id, notes) => db.updateTable(table).set({ notes }).where('id', '=', id).execute(),
      close: () => db.destroy(),
    };
  },
});

interface Database {
  readonly patients: { id: string; email: string; ward: string | null; notes: string | null };
  readonly visits: { readonly patient: string; notes: string };
  readonly generated: { readonly id: ColumnType<number, number | undefined>; notes: string | null };
}

let postgres: Postgres;
let db: Kysely<Database>;
beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.client.query(`
    CREATE TABLE patients (id text PRIMARY KEY, email text UNIQUE, ward text, notes bytea);
    CREATE TABLE visits (patient text, notes text);
    CREATE TABLE generated (id serial PRIMARY KEY, notes bytea)`);
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  const ring = await (await RingWorld.withKeys(1)).open();
  db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: postgres.url }) }),
    plugins: [
      new EncryptedColumns({
        patients: { notes: encryptedText({ ring, context: 'patients:{id}:notes' }) },
        generated: { notes: encryptedText({ ring, context: 'generated:{id}:notes' }) },
      }),
    ],
  });
  await db
    .insertInto('patients')
    .values([
      { id: 'a', email: 'a@example.com', ward: null, notes: 'one' },
      { id: 'b', email: 'b@example.com', ward: null, notes: 'two' },
    ])
    .execute();
});
afterEach(async () => {
  await db.destroy();
  closeRings();
  await postgres.client.query('TRUNCATE patients, visits, generated');
});

const patients = () => db.selectFrom('patients');

describe('right, in each kind of query', () => {
  test.each<[string, () => Promise<unknown>, unknown]>([
    [
      'under its own name as an alias',
      () => patients().select(['id', 'notes as notes']).executeTakeFirst(),
      { id: 'a', notes: 'one' },
    ],
    [
      'with an alias of the table',
      () => db.selectFrom('patients as p').select(['p.id', 'p.notes']).executeTakeFirst(),
      { id: 'a', notes: 'one' },
    ],
    [
      'from a subquery',
      () =>
        db
          .selectFrom(patients().select(['id', 'notes']).as('x'))
          .select(['x.id', 'x.notes'])
          .executeTakeFirst(),
      { id: 'a', notes: 'one' },
    ],
    [
      'from a subquery, all of it',
      () => db.selectFrom(patients().selectAll().as('x')).selectAll().limit(1).execute(),
      [{ id: 'a', email: 'a@example.com', ward: null, notes: 'one' }],
    ],
    [
      'from WITH',
      () =>
        db
          .with('x', (query) => query.selectFrom('patients').select(['id', 'notes']))
          .selectFrom('x')
          .selectAll()
          .executeTakeFirst(),
      { id: 'a', notes: 'one' },
    ],
    [
      'RETURNING',
      () => db.deleteFrom('patients').where('id', '=', 'a').returning(['id', 'notes']).executeTakeFirst(),
      { id: 'a', notes: 'one' },
    ],
    [
      'rows without a value',
      () => patients().select('id').where('notes', 'is not', null).execute(),
      [{ id: 'a' }, { id: 'b' }],
    ],
    [
      'counted',
      () =>
        patients()
          .select(({ fn }) => fn.count('notes').as('filled'))
          .executeTakeFirst(),
      { filled: '2' },
    ],
    [
      'a column of the same name of another table',
      () =>
        db
          .selectFrom('patients')
          .leftJoin('visits', 'visits.patient', 'patients.id')
          .select(['patients.id', 'visits.notes'])
          .limit(1)
          .execute(),
      [{ id: 'a', notes: null }],
    ],
  ])('%s', async (_name, query, expected) => {
    expect(await query()).toEqual(expected);
  });

  test('a value of the application that looks like a part of a query is a value', async () => {
    const value: unknown = { kind: 'ColumnNode', column: { kind: 'IdentifierNode', name: 'notes' } };
    const ward = value as string;
    await db.insertInto('patients').values({ id: 'c', email: 'c@example.com', ward, notes: 'three' }).execute();
    expect(await patients().select('ward').where('id', '=', 'c').execute()).toEqual([{ ward: JSON.stringify(value) }]);
  });

  test('an insert that meets the row of its key', async () => {
    await db
      .insertInto('patients')
      .values({ id: 'a', email: 'a@example.com', ward: null, notes: 'new' })
      .onConflict((on) => on.column('id').doUpdateSet({ notes: (eb) => eb.ref('excluded.notes') }))
      .execute();
    expect(await patients().select(['id', 'notes']).where('id', '=', 'a').execute()).toEqual([
      { id: 'a', notes: 'new' },
    ]);
    await db
      .insertInto('patients')
      .values({ id: 'a', email: 'a@example.com', ward: null, notes: 'x' })
      .onConflict((on) => on.column('id').doUpdateSet({ notes: 'newer' }))
      .execute();
    expect(await patients().select(['id', 'notes']).where('id', '=', 'a').execute()).toEqual([
      { id: 'a', notes: 'newer' },
    ]);
  });

  test('an update that changes other columns of many rows, and a query of another table', async () => {
    await db.updateTable('patients').set({ ward: 'west' }).execute();
    await db.insertInto('visits').values({ patient: 'a', notes: 'not encrypted' }).execute();
    expect(await db.selectFrom('visits').select('notes as text').execute()).toEqual([{ text: 'not encrypted' }]);
    await expect(sql`SELECT notes FROM patients`.execute(db)).resolves.toHaveProperty('rows');
  });

  test('a transaction uses the plugin, too', async () => {
    await db
      .transaction()
      .execute((query) => query.updateTable('patients').set({ notes: 'later' }).where('id', '=', 'b').execute());
    expect(await patients().select(['id', 'notes']).where('id', '=', 'b').execute()).toEqual([
      { id: 'b', notes: 'later' },
    ]);
  });
});

describe('refused with words, before it is sent', () => {
  test.each<[string, () => Promise<unknown>, string]>([
    ['another name', () => patients().select(['id', 'notes as text']).execute(), 'Select notes under its own name'],
    [
      'another name, with the table',
      () => patients().select(['id', 'patients.notes as text']).execute(),
      'Select notes under its own name',
    ],
    [
      'a function',
      () =>
        patients()
          .select(({ fn }) => fn.max('notes').as('text'))
          .execute(),
      'in an expression',
    ],
    ['a condition', () => patients().select('id').where('notes', '=', 'one').execute(), 'in an expression'],
    ['an order', () => patients().select('id').orderBy('notes').execute(), 'in an expression'],
    [
      'a value out of a subquery',
      () =>
        db
          .selectFrom('visits')
          .select((eb) => eb.selectFrom('patients').select('notes').limit(1).as('text'))
          .execute(),
      'in an expression',
    ],
    [
      'JSON of a subquery',
      () =>
        db
          .selectFrom('visits')
          .select((eb) => jsonArrayFrom(eb.selectFrom('patients').selectAll()).as('all'))
          .execute(),
      'in an expression',
    ],
    [
      'a reference in sql',
      () =>
        patients()
          .select((eb) => sql<string>`upper(${eb.ref('notes')})`.as('text'))
          .execute(),
      'in an expression',
    ],
    ['a bulk update', () => db.updateTable('patients').set({ notes: 'same' }).execute(), "where('id', '=', …)"],
    [
      'an update of one of several',
      () => db.updateTable('patients').set({ notes: 'same' }).where('id', 'in', ['a', 'b']).execute(),
      "where('id', '=', …)",
    ],
    [
      'an update by another column',
      () => db.updateTable('patients').set({ notes: 'same' }).where('email', '=', 'a@example.com').execute(),
      "where('id', '=', …)",
    ],
    ['a generated key', () => db.insertInto('generated').values({ notes: 'one' }).execute(), 'make the key first'],
    [
      'a new key',
      () => db.updateTable('patients').set({ id: 'c' }).where('id', '=', 'a').execute(),
      'encrypted under the old one',
    ],
    [
      'an expression as a value',
      () =>
        db
          .updateTable('patients')
          .set((eb) => ({ notes: eb.ref('ward') }))
          .where('id', '=', 'a')
          .execute(),
      'Give the value itself',
    ],
    [
      'a conflict about another column',
      () =>
        db
          .insertInto('patients')
          .values({ id: 'c', email: 'a@example.com', ward: null, notes: 'x' })
          .onConflict((on) => on.column('email').doUpdateSet({ notes: 'x' }))
          .execute(),
      'has another context',
    ],
    [
      'INSERT … SELECT',
      () =>
        db
          .insertInto('patients')
          .columns(['id', 'notes'])
          .expression((eb) =>
            eb.selectFrom('patients').select(['ward', 'notes']).$castTo<{ id: string; notes: string }>(),
          )
          .execute(),
      'Insert the values themselves',
    ],
    ['a selection without the key', () => patients().select('notes').execute(), 'Select id beside notes'],
  ])('%s', async (_name, query, words) => {
    await expect(query()).rejects.toMatchObject({
      code: 'INVALID_COLUMN',
      message: expect.stringContaining(words) as string,
    });
    expect((await postgres.client.query('SELECT 1 FROM patients')).rowCount).toBe(2);
  });
});

test('one bad row names itself', async () => {
  await postgres.client.query(`UPDATE patients SET notes = (SELECT notes FROM patients WHERE id = 'a') WHERE id = 'b'`);
  await expect(patients().selectAll().execute()).rejects.toMatchObject({
    code: 'TAMPERED_OR_WRONG_CONTEXT',
    context: 'patients:b:notes',
    message: expect.stringContaining('patients:b:notes') as string,
  });
});
