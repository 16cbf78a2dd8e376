import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { Patients, type Database } from '../../examples/kysely/patients.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';
import { OLD_FORMS } from '../format/support/old-application.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';

let postgres: Postgres;
let db: Kysely<Database>;
beforeAll(async () => {
  postgres = await startPostgres();
  db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: postgres.url }) }),
  });
  await postgres.client.query('CREATE TABLE patients (id uuid PRIMARY KEY, notes bytea)');
});
afterAll(async () => {
  await db.destroy();
  await postgres.stop();
});
afterEach(async () => {
  closeRings();
  await postgres.client.query('DELETE FROM patients');
});

test('a note is stored encrypted and read as text, before and after a rotation', async () => {
  const world = await RingWorld.withKeys(1);
  const patients = new Patients(db, await world.open());
  const first = await patients.add('Patient has diabetes');
  await world.rotate();
  await world.clock.advance(5 * 60_000);
  const second = await patients.add('Patient is well');
  const { rows } = await postgres.client.query<{ notes: Buffer }>('SELECT notes FROM patients ORDER BY notes');
  expect(rows.map(({ notes }) => notes[0])).toEqual([1, 2]);
  expect(rows.map(({ notes }) => notes.includes('Patient'))).toEqual([false, false]);
  expect(await patients.find(first)).toEqual({ id: first, notes: 'Patient has diabetes' });
  expect(await patients.find(second)).toEqual({ id: second, notes: 'Patient is well' });
});

test('a process that started before the rotation reads what the others write', async () => {
  const world = await RingWorld.withKeys(1);
  const reader = new Patients(db, await world.open());
  await world.rotate();
  const id = await new Patients(db, await world.open()).add('Patient is well');
  expect(await reader.find(id)).toEqual({ id, notes: 'Patient is well' });
});

test('NULL stays NULL, an unknown row is none, and older data is read', async () => {
  const world = await RingWorld.withKeys(2);
  const patients = new Patients(db, await world.open());
  const empty = await patients.add(null);
  const old = await patients.add('');
  await postgres.client.query('UPDATE patients SET notes = $1 WHERE id = $2', [
    OLD_FORMS['vN: before base64']('old note', { key: world.keyOf(1) }),
    old,
  ]);
  expect(await patients.all()).toEqual(
    expect.arrayContaining([
      { id: empty, notes: null },
      { id: old, notes: 'old note' },
    ]),
  );
  expect(await patients.find('00000000-0000-4000-8000-000000000000')).toBeUndefined();
});

test('a ciphertext that was copied to another row does not open', async () => {
  const world = await RingWorld.withKeys(1);
  const patients = new Patients(db, await world.open());
  const one = await patients.add('one');
  const other = await patients.add('other');
  await postgres.client.query('UPDATE patients SET notes = (SELECT notes FROM patients WHERE id = $1) WHERE id = $2', [
    one,
    other,
  ]);
  await expect(patients.find(other)).rejects.toMatchObject({
    code: 'TAMPERED_OR_WRONG_CONTEXT',
    context: `patients:${other}:notes`,
  });
});
