import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { EncryptedColumns, encryptedText } from '../../src/columns/kysely.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';

/** An encrypted column that a query gives another name, or puts into a value: by its place, or with its whole row. */
interface Notes {
  id: string;
  name: string;
  notes: string | null;
}
interface Database {
  readonly patients: Notes;
  readonly guests: Notes;
  readonly visits: { id: string; title: string | null };
}

let postgres: Postgres;
let db: Kysely<Database>;
beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.client.query(`
    CREATE TABLE patients (id text PRIMARY KEY, name text, notes bytea);
    CREATE TABLE guests (id text PRIMARY KEY, name text, notes bytea);
    CREATE TABLE visits (id text PRIMARY KEY, title text);
    INSERT INTO visits VALUES ('v', 'title')`);
  const ring = await (await RingWorld.withKeys(1)).open();
  const notes = (table: string) => ({ notes: encryptedText({ ring, context: `${table}:{id}:notes` }) });
  db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: postgres.url }) }),
    plugins: [new EncryptedColumns<Database>({ patients: notes('patients'), guests: notes('guests') })],
  });
  await db.insertInto('patients').values({ id: 'a', name: 'Ann', notes: 'one' }).execute();
  await db.insertInto('guests').values({ id: 'g', name: 'Guy', notes: 'two' }).execute();
});
afterAll(async () => {
  await db.destroy();
  closeRings();
  await postgres.stop();
});

const notes = (table: 'patients' | 'guests') => db.selectFrom(table).select(['id', 'notes']);
const titles = () => db.selectFrom('visits').select(['id', 'title as notes']);

test.each<[string, () => Promise<unknown>]>([
  [
    'a row as JSON',
    () =>
      db
        .selectFrom('patients')
        .select(({ fn }) => fn.toJson('patients').as('row'))
        .execute(),
  ],
  [
    'all rows as JSON, under an alias',
    () =>
      db
        .selectFrom('patients as p')
        .select(({ fn }) => fn.jsonAgg('p').as('rows'))
        .execute(),
  ],
  [
    'all rows of a subquery as JSON',
    () =>
      db
        .selectFrom(notes('patients').as('x'))
        .select(({ fn }) => fn.jsonAgg('x').as('rows'))
        .execute(),
  ],
  [
    'an ordered row',
    () =>
      db
        .selectFrom('patients')
        .select('id')
        .orderBy(({ fn }) => fn.toJson('patients'))
        .execute(),
  ],
  [
    'WITH and a list of columns',
    () =>
      db
        .with('q(id, text)', () => notes('patients').$castTo<{ id: string; text: string }>())
        .selectFrom('q')
        .selectAll()
        .execute(),
  ],
  [
    'WITH, a list of columns, and all columns',
    () =>
      db
        .with('q(id, notes, name)', () => db.selectFrom('patients').selectAll())
        .selectFrom('q')
        .selectAll()
        .execute(),
  ],
  ['the second part of a union', () => titles().unionAll(notes('patients')).execute()],
  ['the third part of a union', () => titles().unionAll(titles()).union(notes('patients')).execute()],
  ['a union of two contexts', () => notes('patients').unionAll(notes('guests')).execute()],
  [
    'a union of all columns',
    () => db.selectFrom('patients').selectAll().union(db.selectFrom('guests').selectAll()).execute(),
  ],
  [
    'a condition on a name of WITH',
    () =>
      db
        .with('q', () => notes('patients'))
        .selectFrom('q as x')
        .select('x.id')
        .where('x.notes', '=', 'one')
        .execute(),
  ],
  [
    'another name for a column of WITH',
    () =>
      db
        .with('q', () => notes('patients'))
        .selectFrom('q')
        .select(['q.id', 'q.notes as text'])
        .execute(),
  ],
  [
    'a condition on the values of a subquery',
    () =>
      db
        .selectFrom('visits')
        .select('id')
        .where('title', 'in', (eb) => eb.selectFrom('patients').select('notes'))
        .execute(),
  ],
])('%s is refused', async (_name, query) => {
  await expect(query()).rejects.toMatchObject({ code: 'INVALID_COLUMN' });
});

const ONE = [{ id: 'a', notes: 'one' }];
test.each<[string, () => Promise<unknown>, unknown]>([
  [
    'a union of one table',
    () =>
      notes('patients')
        .unionAll(notes('patients').where('id', '=', 'none'))
        .execute(),
    ONE,
  ],
  [
    'a union of all columns of one table',
    () => db.selectFrom('patients').selectAll().union(db.selectFrom('patients').selectAll()).execute(),
    [{ ...ONE[0], name: 'Ann' }],
  ],
  [
    'a union of others',
    () => titles().unionAll(titles()).execute(),
    [
      { id: 'v', notes: 'title' },
      { id: 'v', notes: 'title' },
    ],
  ],
  [
    'WITH and a list of the own names',
    () =>
      db
        .with('q(id, notes)', () => notes('patients'))
        .selectFrom('q')
        .selectAll()
        .execute(),
    ONE,
  ],
  [
    'rows of another table as JSON',
    () =>
      db
        .selectFrom('visits')
        .innerJoin('patients', (join) => join.onTrue())
        .select(({ fn }) => ['patients.id', 'patients.notes', fn.toJson('visits').as('visit')])
        .execute(),
    [{ ...ONE[0], visit: { id: 'v', title: 'title' } }],
  ],
  [
    'the table of WITH by its name',
    () =>
      db
        .with('q', (query) =>
          query.updateTable('patients').set({ name: 'Ann' }).where('id', '=', 'a').returning(['id', 'notes']),
        )
        .selectFrom('q')
        .select(['q.id', 'q.notes'])
        .execute(),
    ONE,
  ],
  [
    'a row that exists',
    () =>
      db
        .selectFrom('visits')
        .select('id')
        .where('id', 'in', (eb) =>
          eb
            .selectFrom('visits as v')
            .select('v.id')
            .where(eb.exists(eb.selectFrom('patients').selectAll())),
        )
        .execute(),
    [{ id: 'v' }],
  ],
])('%s is read', async (_name, query, rows) => {
  expect(await query()).toEqual(rows);
});

test('a misspelt column does not compile, and is refused where all columns are read', async () => {
  const ring = await (await RingWorld.withKeys(1)).open();
  const note = { note: encryptedText({ ring, context: 'patients:{id}:notes' }) };
  // @ts-expect-error -- the table has notes
  const misspelt = db.withoutPlugins().withPlugin(new EncryptedColumns<Database>({ patients: note }));
  const refusal = { code: 'INVALID_COLUMN', message: expect.stringContaining('has no column note') as string };
  await expect(misspelt.selectFrom('patients').selectAll().execute()).rejects.toMatchObject(refusal);
  await expect(misspelt.selectFrom('patients as p').selectAll('p').execute()).rejects.toMatchObject(refusal);
  const returned = misspelt.insertInto('patients').values({ id: 'b', name: 'Bob', notes: null }).returningAll();
  await expect(returned.execute()).rejects.toMatchObject(refusal);
  const part = misspelt.selectFrom(db.selectFrom('patients').select(['id']).as('x')).selectAll();
  expect(await part.execute()).toHaveLength(2);
});

test('a table is found without its schema, and only once', async () => {
  const ring = await (await RingWorld.withKeys(1)).open();
  const own = { notes: encryptedText({ ring, context: 'patients:{id}:notes' }) };
  const plugin = new EncryptedColumns<{ 'public.patients': Notes }>({ 'public.patients': own });
  const schemas = db.withoutPlugins().withTables<{ 'public.patients': Notes }>().withPlugin(plugin);
  await schemas.insertInto('public.patients').values({ id: 's', name: 'Sue', notes: 'IN CLEAR' }).execute();
  const { rows } = await postgres.client.query(`SELECT FROM patients WHERE encode(notes, 'escape') LIKE '%CLEAR%'`);
  expect(rows).toEqual([]);
  const found = schemas.selectFrom('public.patients').select(['id', 'notes']).where('id', '=', 's');
  expect(await found.execute()).toEqual([{ id: 's', notes: 'IN CLEAR' }]);
  expect(() => new EncryptedColumns({ 'a.patients': own, 'b.patients': own })).toThrow('two tables');
});

test('the plan of a query is no result to decrypt', async () => {
  expect(JSON.stringify(await notes('patients').explain('json'))).toContain('Seq Scan');
});
