import pg from 'pg';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import { reencrypt, type ReencryptOptions } from '../../../src/postgres/job/reencrypt.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';

/** What the owner of a table may do to it while its rows are re-encrypted, and what must not let the job finish. */

let postgres: Postgres;
let clinic: Clinic;
let owner: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  await clinic.sql('CREATE ROLE own LOGIN; GRANT CREATE ON SCHEMA public TO own');
  owner = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await postgres.stop();
});

const SPEC = { table: 'public.patients', column: 'notes', context: 'p:{id}' };
const ROWS = 30;

beforeEach(async () => {
  await clinic.sql('DROP TABLE IF EXISTS kept; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: ROWS }, (_, index) => clinic.row('x', 1, `p:${index + 1}`)),
  );
  await clinic.sql('ALTER TABLE patients OWNER TO own');
});

/** Re-encrypts in small batches; after the first of them, the owner does something between two batches. */
async function whileOwner(does: string, options: ReencryptOptions = {}, user = 'postgres') {
  let done: Promise<unknown> | undefined;
  // Each batch waits for its time, so that what the owner does comes between two of them.
  const clock = {
    now: () => 0,
    sleep: async () => {
      await done;
    },
  };
  const url = postgres.url.replace('postgres@', `${user}@`);
  const [report] = await reencrypt({ url }, [SPEC], clinic.keys, {
    ...options,
    clock,
    brakes: { ...FULL_SPEED, maxRowsPerSecond: 10_000 },
    connections: 1,
    batchRows: 5,
    rangeRows: 10,
    onBatch: () => {
      done ??= owner.query(does);
    },
  });
  await done;
  return report;
}

const rowsUnder = async (number: number, table = 'patients') =>
  (await clinic.sql(`SELECT FROM ${table} WHERE get_byte(notes, 0) = $1`, [number])).length;

test('an empty table that takes the name of the real one does not finish the job', async () => {
  const swap = 'BEGIN; ALTER TABLE patients RENAME TO kept; CREATE TABLE patients (LIKE kept INCLUDING ALL); COMMIT';
  expect((await rejectionOf(whileOwner(swap))).message).toContain('was replaced');
  expect(await rowsUnder(1, 'kept')).toBeGreaterThan(0);
});

test('a policy that begins to hide rows does not finish the job', async () => {
  const hide = 'ALTER TABLE patients ENABLE ROW LEVEL SECURITY; ALTER TABLE patients FORCE ROW LEVEL SECURITY';
  await clinic.sql('GRANT CREATE ON DATABASE postgres TO own; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  try {
    expect((await rejectionOf(whileOwner(hide, {}, 'own'))).message).toContain('Not every row');
  } finally {
    await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE');
  }
  expect(await rowsUnder(1)).toBeGreaterThan(0);
});

describe('code that the owner adds meanwhile', () => {
  const EVIL = `CREATE OR REPLACE FUNCTION public.evil(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN PERFORM pg_catalog.set_config('search_path', 'public, pg_catalog', true); RETURN $1; END $$`;

  test.each([
    ['an index', 'CREATE INDEX ON patients (id) WHERE evil(1) = 1'],
    ['a CHECK', 'ALTER TABLE patients ADD CHECK (evil(1) = 1) NOT VALID'],
    ['statistics', 'CREATE STATISTICS seen ON (evil(id)) FROM patients'],
  ])('in %s is refused by name, before it runs with the rights of the operator', async (place, statement) => {
    // Earlier, statistics are over columns only.
    if (place === 'statistics' && (await majorVersion(postgres)) < 14) return;
    await owner.query(EVIL);
    const error = await rejectionOf(whileOwner(statement));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toContain('evil(integer)');
    await clinic.sql('DROP FUNCTION evil CASCADE');
  });

  test.each([
    ['a cast', 'CREATE CAST (letter AS text) WITH FUNCTION evil_letter(letter)', 'evil_letter'],
    ['a CHECK of a domain', 'ALTER DOMAIN small ADD CHECK (evil(VALUE) = 1) NOT VALID', 'evil(integer)'],
  ])('in %s, which changes nothing of the table, is refused by name', async (_, statement, name) => {
    await owner.query(EVIL);
    await owner.query(`CREATE TYPE letter AS ENUM ('a'); CREATE DOMAIN small AS int;
      CREATE FUNCTION evil_letter(letter) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'a' $$;
      ALTER TABLE patients ADD kind letter, ADD size small`);
    const error = await rejectionOf(whileOwner(statement));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toContain(name);
    await owner.query('DROP DOMAIN small CASCADE; DROP TYPE letter CASCADE; DROP FUNCTION evil CASCADE');
  });

  test('in a cast, in the middle of a batch, undoes the batch', async () => {
    await owner.query(`CREATE TYPE letter AS ENUM ('a'); ALTER TABLE patients ADD kind letter;
      CREATE FUNCTION evil_letter(letter) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'a' $$`);
    // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with the connection
    const original = Connection.prototype.copyRows;
    let casts = 0;
    const reading = jest.spyOn(Connection.prototype, 'copyRows').mockImplementation(async function (
      this: Connection,
      select,
      onRow,
    ) {
      await original.call(this, select, onRow);
      if (!select.includes('grows') || (casts += 1) > 1) return;
      await owner.query('CREATE CAST (letter AS text) WITH FUNCTION evil_letter(letter)');
    });
    const error = await rejectionOf(clinic.reencrypt(SPEC));
    reading.mockRestore();
    expect(casts).toBe(1);
    expect(error.message).toContain('evil_letter');
    expect(await rowsUnder(2)).toBe(0);
    await owner.query('DROP TYPE letter CASCADE');
  });

  test('in a trigger asks for the decision that the operator has not made', async () => {
    await owner.query(`CREATE OR REPLACE FUNCTION public.rise() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN EXECUTE 'ALTER ROLE own SUPERUSER'; RETURN new; END $$`);
    const trigger = 'CREATE TRIGGER rise BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION rise()';
    expect((await rejectionOf(whileOwner(trigger))).code).toBe('TRIGGERS_UNDECIDED');
    expect(await clinic.sql("SELECT FROM pg_roles WHERE rolname = 'own' AND rolsuper")).toEqual([]);
  });
});

test('what changes nothing that matters is looked at again, and the job continues', async () => {
  const report = await whileOwner('CREATE INDEX ON patients (id, id); ALTER TABLE patients ADD other text');
  expect(report).toMatchObject({ isFinished: true, ownReencrypted: ROWS });
  expect(await clinic.sql('SELECT DISTINCT pass FROM pazpaz_keys.job')).toEqual([{ pass: 1 }]);
  expect(await rowsUnder(2)).toBe(ROWS);
});

test('a migration that is under way is waited for by the final check, and its rows are brought too', async () => {
  await clinic.reencrypt(SPEC);
  await clinic.sql('UPDATE pazpaz_keys.job SET finished_at = NULL');
  await owner.query(
    'BEGIN; ALTER TABLE patients ADD n2 bytea; UPDATE patients SET n2 = $1 WHERE id = 7'.replace(
      '$1',
      `'\\x${clinic.row('late', 1, 'p:7').toString('hex')}'`,
    ),
  );
  await owner.query(
    'UPDATE patients SET n2 = notes WHERE id <> 7; ALTER TABLE patients DROP notes; ALTER TABLE patients RENAME n2 TO notes',
  );
  const running = clinic.reencrypt(SPEC);
  await until(async () => (await clinic.sql('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
  await owner.query('COMMIT');
  expect(await running).toMatchObject({ isFinished: true });
  expect(await rowsUnder(2)).toBe(ROWS);
});

// Since PostgreSQL 16.
test('a member of the owner of the job tables who has no right by that may not write them by a grant either', async () => {
  if ((await majorVersion(postgres)) < 16) return;
  await clinic.reencrypt(SPEC);
  await clinic.sql('CREATE ROLE member; GRANT postgres TO member WITH INHERIT FALSE, SET FALSE');
  await clinic.sql('GRANT UPDATE ON pazpaz_keys.job TO member');
  const refused = await rejectionOf(clinic.reencrypt(SPEC));
  await clinic.sql('DROP OWNED BY member; DROP ROLE member');
  expect(refused).toMatchObject({ code: 'DATABASE_REFUSED' });
  expect(refused.message).toContain('member may write into them');
});
