import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
  type Compilable,
  type Dialect,
} from 'kysely';
import { EncryptedColumns, encryptedText } from '../../src/columns/kysely.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';

/*
 * What a statement may put into an encrypted column: what the plugin encrypted, or the value of the same column of the
 * same row. Compiled only: the plugin refuses before anything is sent.
 */

interface Database {
  readonly patients: { id: number; name: string; notes: string | null };
  readonly visits: { id: number; name: string; notes: string };
}

let ring: KeyRing;
beforeAll(async () => {
  ring = await KeyRing.forTest();
});
afterAll(() => {
  ring.close();
});

const dialect: Dialect = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (kysely) => new PostgresIntrospector(kysely),
  createQueryCompiler: () => new PostgresQueryCompiler(),
};
const db = new Kysely<Database>({
  dialect,
  plugins: [
    new EncryptedColumns({ patients: { notes: encryptedText({ ring: () => ring, context: 'patients:{id}:notes' }) } }),
  ],
});

/** The parameters of a query; a ciphertext as its text behind 'encrypted'. */
const parametersOf = (query: Compilable, context: string): readonly unknown[] =>
  query
    .compile()
    .parameters.map((value) =>
      value instanceof Uint8Array ? `encrypted ${ring.decryptBytesSync(value, context).toString()}` : value,
    );

const insert = () => db.insertInto('patients').values({ id: 1, name: 'a' });
const insertAll = () => db.insertInto('patients').values({ id: 1, name: 'a', notes: 'one' });
const chosen = () =>
  db
    .insertInto('patients')
    .columns(['id', 'name'])
    .expression((eb) => eb.selectFrom('visits').select(['id', 'name']));

test.each<[string, () => Compilable, readonly unknown[]]>([
  [
    'an upsert that names it in the update only',
    () => insert().onConflict((on) => on.column('id').doUpdateSet({ notes: 'two' })),
    [1, 'a', 'encrypted two'],
  ],
  [
    'an upsert of other columns',
    () => insert().onConflict((on) => on.column('id').doUpdateSet({ name: 'b' })),
    [1, 'a', 'b'],
  ],
  ['INSERT … SELECT of other columns', chosen, []],
  ['a table in a list', () => db.updateTable(['patients']).set({ notes: 'x' }).where('id', '=', 1), ['encrypted x', 1]],
  [
    'a table as sql',
    () =>
      db
        .updateTable(sql.table('patients').as('p') as never)
        .set({ notes: 'x' } as never)
        .where('p.id' as never, '=', 1 as never),
    ['encrypted x', 1],
  ],
  [
    'aliases that swap the names of two tables',
    () =>
      db.updateTable('patients as visits').from('visits as patients').set({ notes: 'x' }).where('visits.id', '=', 1),
    ['encrypted x', 1],
  ],
  [
    'an insert beside WITH of its name',
    () =>
      db
        .with('patients', (q) => q.selectFrom('visits').selectAll())
        .insertInto('patients')
        .values({ id: 1, name: 'a', notes: 'x' }),
    [1, 'a', 'encrypted x'],
  ],
])('%s is encrypted', (_name, query, parameters) => {
  expect(parametersOf(query(), 'patients:1:notes')).toEqual(parameters);
});

test.each<[string, () => Compilable, string]>([
  [
    'a clear column of the inserted row',
    () => insert().onConflict((on) => on.column('id').doUpdateSet((eb) => ({ notes: eb.ref('excluded.name') }))),
    'Give the value itself',
  ],
  [
    'a clear column of the existing row',
    () => insertAll().onConflict((on) => on.column('id').doUpdateSet((eb) => ({ notes: eb.ref('patients.name') }))),
    'Give the value itself',
  ],
  [
    'sql in a conflict',
    () => insert().onConflict((on) => on.column('id').doUpdateSet({ notes: sql<string>`'x'` })),
    'Give the value itself',
  ],
  [
    'a new key in a conflict',
    () => insert().onConflict((on) => on.column('name').doUpdateSet({ id: 9 })),
    'under the old one',
  ],
  [
    'a value for a row that INSERT … SELECT chose',
    () => chosen().onConflict((on) => on.column('id').doUpdateSet({ notes: 'x' })),
    'Look the row up and update it',
  ],
  [
    'INSERT … SELECT without names',
    () => db.insertInto('patients').expression((eb) => eb.selectFrom('visits').selectAll()),
    'Insert the values themselves',
  ],
  [
    'INSERT … SELECT in WITH',
    () =>
      db
        .with('new', (q) =>
          q
            .insertInto('patients')
            .columns(['id', 'notes'])
            .expression((eb) => eb.selectFrom('visits').select(['id', 'name as notes']))
            .returning('id'),
        )
        .selectFrom('new')
        .selectAll(),
    'Insert the values themselves',
  ],
  [
    'a column of another table',
    () =>
      db
        .updateTable('patients')
        .from('visits')
        .set((eb) => ({ notes: eb.ref('visits.notes') }))
        .where('patients.id', '=', 1),
    'Give the value itself',
  ],
  [
    'an update in WITH',
    () =>
      db
        .with('new', (q) =>
          q
            .updateTable('patients')
            .set({ notes: sql<string>`'x'` })
            .where('id', '=', 1)
            .returning('id'),
        )
        .selectFrom('new')
        .selectAll(),
    'Give the value itself',
  ],
  ['a column as sql', () => db.updateTable('patients').set(sql`notes` as never, 'x' as never), 'a column that is sql'],
  [
    'a table as sql',
    () => db.updateTable(sql`patients`.as('p') as never).set({ notes: 'x' } as never),
    'a table that is sql',
  ],
  ["MySQL's conflict", () => insert().onDuplicateKeyUpdate({ notes: 'x' }), 'ON DUPLICATE KEY'],
  ['sql after an insert', () => insert().modifyEnd(sql`ON CONFLICT (id) DO UPDATE SET notes = 'x'`), 'sql at the end'],
  [
    'MERGE',
    () =>
      db.mergeInto('patients').using('visits', 'visits.id', 'patients.id').whenMatched().thenUpdateSet({ notes: 'x' }),
    'MERGE',
  ],
  [
    'MERGE in WITH',
    () =>
      db
        .with(
          'new',
          (q) =>
            q
              .mergeInto('patients')
              .using('visits', 'visits.id', 'patients.id')
              .whenMatched()
              .thenUpdateSet({ notes: 'x' })
              .returning('patients.id') as never,
        )
        .selectFrom('new')
        .selectAll(),
    'MERGE',
  ],
])('%s is refused', (_name, query, words) => {
  expect(() => query().compile()).toThrow(
    expect.objectContaining({ code: 'INVALID_COLUMN', message: expect.stringContaining(words) as string }) as Error,
  );
});

interface Ranges {
  readonly ranges: { a: string | number; b: string; text: string };
}
const ranges = (keysAreText: boolean) =>
  new Kysely<Ranges>({
    dialect,
    plugins: [
      new EncryptedColumns({
        ranges: { text: encryptedText({ ring: () => ring, context: 'ranges:{a}:{b}:text', keysAreText }) },
      }),
    ],
  });

test.each<[string, string | number, string]>([
  ['a key with the separator in it', '1:2', '3'],
  ['a number with leading zeros', '007', 'b'],
  ['a number with a plus', '+7', 'b'],
  ['a UUID in capitals', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'b'],
  ['a UUID without hyphens', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'b'],
  ['a text that ends in a space', 'a', 'b '],
])('%s is refused as a part of the context', (_name, a, b) => {
  const refusal = expect.objectContaining({ code: 'INVALID_COLUMN' }) as Error;
  expect(() => ranges(false).insertInto('ranges').values({ a, b, text: 'x' }).compile()).toThrow(refusal);
  const update = ranges(false).updateTable('ranges').set({ text: 'x' }).where('a', '=', a).where('b', '=', b);
  expect(() => update.compile()).toThrow(refusal);
});

test.each<[string | number, string, boolean]>([
  ['1', '2:3', false],
  [7, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', false],
  ['-7', '0', false],
  ['007', 'b ', true],
])('%s and %s name one row, where the keys are text: %s', (a, b, keysAreText) => {
  const query = ranges(keysAreText).insertInto('ranges').values({ a, b, text: 'x' });
  expect(parametersOf(query, `ranges:${a}:${b}:text`)).toEqual([a, b, 'encrypted x']);
});
