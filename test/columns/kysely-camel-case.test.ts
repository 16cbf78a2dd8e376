import { CamelCasePlugin, Kysely, PostgresDialect, type KyselyPlugin } from 'kysely';
import pg from 'pg';
import { EncryptedColumns, encryptedText } from '../../src/columns/kysely.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';

interface Database {
  readonly myPatients: { readonly patientId: number; medicalNotes: string | null };
}

let postgres: Postgres;
let ring: KeyRing;
beforeAll(async () => {
  ring = await KeyRing.forTest();
  postgres = await startPostgres();
  await postgres.client.query('CREATE TABLE my_patients (patient_id int PRIMARY KEY, medical_notes bytea)');
});
afterAll(async () => {
  ring.close();
  await postgres.stop();
});

const snake = () => encrypted('my_patients', 'medical_notes', 'patients:{patient_id}:notes');
const camel = () => encrypted('myPatients', 'medicalNotes', 'patients:{patientId}:notes');
function encrypted(table: string, column: string, context: string): KyselyPlugin {
  return new EncryptedColumns({ [table]: { [column]: encryptedText({ ring, context }) } });
}

test.each<[string, () => readonly KyselyPlugin[]]>([
  ['before, columns as PostgreSQL spells them', () => [new CamelCasePlugin(), snake()]],
  ['before, columns as the application does', () => [new CamelCasePlugin(), camel()]],
  ['after, columns as PostgreSQL spells them', () => [snake(), new CamelCasePlugin()]],
  ['after, columns as the application does', () => [camel(), new CamelCasePlugin()]],
])('CamelCasePlugin %s', async (_name, plugins) => {
  const pool = new pg.Pool({ connectionString: postgres.url });
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }), plugins: [...plugins()] });
  try {
    await db.insertInto('myPatients').values({ patientId: 7, medicalNotes: 'one' }).execute();
    await db.updateTable('myPatients').set({ medicalNotes: 'two' }).where('patientId', '=', 7).execute();
    await db
      .insertInto('myPatients')
      .values({ patientId: 7, medicalNotes: 'three' })
      .onConflict((on) =>
        on.column('patientId').doUpdateSet((eb) => ({ medicalNotes: eb.ref('excluded.medicalNotes') })),
      )
      .execute();
    const { rows } = await postgres.client.query<{ cell: Buffer }>('SELECT medical_notes AS cell FROM my_patients');
    expect(ring.decryptBytesSync(rows[0]?.cell ?? Buffer.of(), 'patients:7:notes').toString()).toBe('three');
    const row = { patientId: 7, medicalNotes: 'three' };
    expect(await db.selectFrom('myPatients').selectAll().execute()).toEqual([row]);
    expect(await db.selectFrom('myPatients').select(['patientId', 'medicalNotes']).execute()).toEqual([row]);
    const where = db.selectFrom('myPatients').select('patientId').where('medicalNotes', '=', 'three');
    await expect(where.execute()).rejects.toMatchObject({ code: 'INVALID_COLUMN' });
  } finally {
    await db.destroy();
    await postgres.client.query('TRUNCATE my_patients');
  }
});

test('a selected column that another plugin renamed is refused', async () => {
  const plugin = new EncryptedColumns({ t: { notes: encryptedText({ ring, context: 't.notes' }) } });
  const queryId = { queryId: 'a' };
  const node = new Kysely<{ t: { notes: string } }>({ dialect: new PostgresDialect({ pool: new pg.Pool() }) })
    .selectFrom('t')
    .select('notes')
    .toOperationNode();
  plugin.transformQuery({ node, queryId });
  await expect(plugin.transformResult({ queryId, result: { rows: [{ text: 'x' }] } })).rejects.toMatchObject({
    code: 'INVALID_COLUMN',
  });
});
