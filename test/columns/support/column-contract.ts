import type { ColumnRing, ColumnStorage } from '../../../src/columns/encrypted-column.ts';
import { oldBox, oldJson, OLD_FORMS } from '../../format/support/old-application.ts';
import { closeRings, RingWorld } from '../../keyring/support/ring-world.ts';
import { startPostgres, type Postgres } from '../../postgres/support/postgres.ts';

/** A row of the table `patients_<storage>`, as an application sees it. */
export interface Patient {
  readonly id: number;
  readonly notes: string | null;
  readonly scan: Uint8Array | null;
  readonly allergies: { readonly pollen: boolean } | null;
}

/** A table of patients as a library's user writes it. */
interface Patients {
  add(patient: Patient): Promise<unknown>;
  /** Ordered by id. */
  all(): Promise<readonly Patient[]>;
  /** The notes alone, by id. */
  notesOf(id: number): Promise<string | null | undefined>;
  setNotes(id: number, notes: string | null): Promise<unknown>;
  close(): Promise<void>;
}

export interface Library {
  readonly name: string;
  /** Whether it waits for a key that is not cached. */
  readonly waits: boolean;
  /** The context of a column: of the column, or of the row. */
  readonly contextOf: (column: string, id: number) => string;
  open(url: string, storage: ColumnStorage, ring: () => ColumnRing): Patients | Promise<Patients>;
}

const STORAGES: readonly ColumnStorage[] = ['bytea', 'text', 'jsonb'];
const COLUMNS = ['notes', 'scan', 'allergies'] as const;

const patient = (id: number): Patient => ({
  id,
  notes: `Patient ${id} has diabetes`,
  scan: Buffer.from([0, 255, id]),
  allergies: { pollen: id % 2 === 0 },
});

/** What every column type keeps, whatever the library: against a real PostgreSQL, for each storage. */
export function describeColumns(library: Library): void {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres();
    for (const storage of STORAGES)
      await postgres.client.query(
        `CREATE TABLE patients_${storage} (id int PRIMARY KEY, ${COLUMNS.map((name) => `${name} ${storage}`).join()})`,
      );
  });
  afterAll(() => postgres.stop());

  describe.each(STORAGES)(`${library.name}, %s`, (storage) => {
    let world: RingWorld;
    let patients: Patients;
    let ring: ColumnRing;
    const table = `patients_${storage}`;

    beforeEach(async () => {
      world = await RingWorld.withKeys(1);
      const opened = await world.open();
      await opened.warm();
      ring = opened;
      patients = await library.open(postgres.url, storage, () => ring);
    });
    afterEach(async () => {
      await patients.close();
      closeRings();
      await postgres.client.query(`DELETE FROM ${table}`);
    });

    const stored = async (): Promise<string> => {
      const { rows } = await postgres.client.query<{ all: string }>(
        `SELECT string_agg(${COLUMNS.map((name) => `${name}::text`).join(" || ' ' || ")}, ' ' ORDER BY id) AS all FROM ${table}`,
      );
      return rows[0]?.all ?? '';
    };
    const rotate = async () => {
      await world.rotate();
      await world.clock.advance(5 * 60_000);
    };

    test('values are stored encrypted and come back through a rotation', async () => {
      await patients.add(patient(1));
      await rotate();
      await patients.add(patient(2));
      expect(await patients.all()).toEqual([patient(1), patient(2)].map(asRead));
      expect(await stored()).not.toMatch(/diabetes|pollen|Patient/);
      const first = storage === 'bytea' ? /\\x01.* \\x02/ : /(?:^|")AQ?.* "?Ag?/;
      expect(await stored()).toMatch(first);
    });

    test('a partial select and an update of one column are right', async () => {
      await patients.add(patient(1));
      await patients.add(patient(2));
      await patients.setNotes(2, 'Patient is well');
      expect(await patients.notesOf(2)).toBe('Patient is well');
      expect(await patients.notesOf(1)).toBe('Patient 1 has diabetes');
      expect(await patients.all()).toEqual([patient(1), { ...patient(2), notes: 'Patient is well' }].map(asRead));
      await patients.setNotes(2, null);
      expect(await patients.notesOf(2)).toBeNull();
    });

    test('NULL stays NULL', async () => {
      await patients.add({ id: 1, notes: null, scan: null, allergies: null });
      const { rows } = await postgres.client.query(`SELECT notes, scan, allergies FROM ${table}`);
      expect(rows).toEqual([{ notes: null, scan: null, allergies: null }]);
      expect(await patients.all()).toEqual([{ id: 1, notes: null, scan: null, allergies: null }]);
    });

    test('what an older key wrote is read until that key is retired, then the row names itself', async () => {
      await patients.add(patient(1));
      await rotate();
      await patients.add(patient(2));
      // A key that AWSPREVIOUS names stays on the ring.
      await rotate();
      await world.retire(1);
      await world.clock.advance(5 * 60_000);
      expect(await patients.notesOf(2)).toBe('Patient 2 has diabetes');
      // A synchronous read of an unknown number says 'unavailable' until a description in the background has decided.
      await patients.notesOf(1).catch(() => undefined);
      await expect(patients.notesOf(1)).rejects.toMatchObject(failure('KEY_RETIRED', library.contextOf('notes', 1)));
      await expect(patients.all()).rejects.toMatchObject({ code: 'KEY_RETIRED' });
    });

    test('an outage after warm stops neither reading nor writing', async () => {
      await patients.add(patient(1));
      await rotate();
      world.cutNetwork();
      await patients.add(patient(2));
      expect(await patients.all()).toEqual([patient(1), patient(2)].map(asRead));
    });

    test('a key that is not there is KEY_UNAVAILABLE, and never NULL or the ciphertext', async () => {
      await patients.add(patient(1));
      await world.rotate();
      ring = await world.open();
      world.cutNetwork();
      await expect(patients.notesOf(1)).rejects.toMatchObject(
        failure('KEY_UNAVAILABLE', library.contextOf('notes', 1)),
      );
      world.mendNetwork();
      if (!library.waits) await expect(patients.notesOf(1)).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
      else {
        await world.clock.advance(60_000);
        expect(await patients.notesOf(1)).toBe('Patient 1 has diabetes');
      }
    });

    test('older data is read in every form', async () => {
      const forms = oldCells(storage, 'old note', world.keyOf(1));
      for (const [id, cell] of forms.entries())
        await postgres.client.query(`INSERT INTO ${table} (id, notes) VALUES ($1, $2)`, [id, cell]);
      expect((await patients.all()).map(({ notes }) => notes)).toEqual(forms.map(() => 'old note'));
      await patients.setNotes(0, 'new note');
      expect(await patients.notesOf(0)).toBe('new note');
    });

    test('a ciphertext of another column does not open', async () => {
      await patients.add(patient(1));
      await postgres.client.query(`UPDATE ${table} SET notes = allergies`);
      await expect(patients.notesOf(1)).rejects.toMatchObject(
        failure('TAMPERED_OR_WRONG_CONTEXT', library.contextOf('notes', 1)),
      );
    });

    test('a value of another type is refused before anything is written', async () => {
      const wrong: { readonly notes: unknown } = { notes: Buffer.from('bytes') };
      await expect(patients.add({ ...patient(1), ...wrong } as Patient)).rejects.toThrow('takes a string, but got');
      expect(await patients.all()).toEqual([]);
    });
  });
}

function asRead({ scan, ...rest }: Patient): object {
  return { ...rest, scan: scan === null ? null : Buffer.from(scan) };
}

function failure(code: string, context: string): object {
  const message = expect.stringContaining(JSON.stringify(context)) as string;
  return { name: 'UnreadableColumnError', code, context, message };
}

function oldCells(storage: ColumnStorage, text: string, key: Buffer): readonly (Buffer | string)[] {
  if (storage === 'bytea') return Object.values(OLD_FORMS).map((form) => form(text, { key }));
  const data = OLD_FORMS['vN: before base64'](text, { key }).toString();
  const json = oldJson(text, { key });
  const box = oldBox(text, { key }).toString('base64');
  const texts = [data, JSON.stringify(json), JSON.stringify({ data }), box];
  return storage === 'text' ? texts : [JSON.stringify(data), JSON.stringify(json), JSON.stringify({ data })];
}
