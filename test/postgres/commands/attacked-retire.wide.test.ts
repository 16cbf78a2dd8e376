import fc from 'fast-check';
import pg from 'pg';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { patientRow } from '../support/patients.ts';
import type { Postgres } from '../support/postgres.ts';
import { shadowEverything } from '../support/shadows.ts';

/*
 * The owner of the tables acts between any two statements of `retire`, and moves rows between tables. Whatever it does, a
 * retirement that is accepted loses no row: none that needs the key was in the database, or in a transaction that was open
 * before and commits later.
 */

/** `RUNS=2000`: as many attacks as a night takes; fewer in `npm run explore`, and fewest in `npm run test:wide`. `SECONDS=1200` stops it after so long. */
const RUNS = Number(process.env['RUNS'] ?? (process.env['EXPLORE'] === 'deep' ? 50 : 5));
const SECONDS = Number(process.env['SECONDS'] ?? Infinity);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

jest.setTimeout(60_000 + RUNS * 6000);

let postgres: Postgres;
let clinic: Clinic;
let owner: pg.Client;
let late: pg.Client;
let ring: TestRing;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres({ settings: ['max_prepared_transactions=5'] });
  clinic = await Clinic.withKeys(postgres, 1);
  await clinic.sql(`CREATE ROLE own LOGIN CREATEROLE; CREATE ROLE clerk LOGIN IN ROLE pg_read_all_stats;
    GRANT clerk TO own WITH ADMIN OPTION;
    GRANT CREATE ON SCHEMA public TO own; GRANT CREATE ON DATABASE postgres TO own`);
  await shadowEverything(clinic, 'own');
  owner = await connected();
  await owner.query(`SET lock_timeout = '200ms';
    CREATE FUNCTION public.no_row() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';
    CREATE FUNCTION public.always(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`);
  late = await connected();
});
afterAll(async () => {
  await stopServices();
  await owner.end();
  await late.end();
  await postgres.stop();
});

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
  await client.connect();
  client.on('error', () => undefined);
  return client;
}

const swap = (first: string, second: string) => `BEGIN; ${first}; ${second}; COMMIT`;

/** What the owner may do. Those that PostgreSQL refuses, at that moment, are tried all the same. */
const ACTS = [
  swap('ALTER SCHEMA s RENAME TO x', 'ALTER SCHEMA d RENAME TO s'),
  swap('ALTER SCHEMA s RENAME TO d', 'ALTER SCHEMA x RENAME TO s'),
  swap('ALTER TABLE s.patients RENAME TO kept', 'ALTER TABLE s.decoy RENAME TO patients'),
  swap('ALTER TABLE s.patients RENAME TO decoy', 'ALTER TABLE s.kept RENAME TO patients'),
  swap('ALTER TABLE s.patients RENAME TO whole', 'ALTER TABLE s.clean RENAME TO patients'),
  swap('ALTER TABLE s.patients RENAME TO clean', 'ALTER TABLE s.whole RENAME TO patients'),
  swap('ALTER TABLE s.patients RENAME notes TO hidden', 'ALTER TABLE s.patients RENAME other TO notes'),
  swap('ALTER TABLE s.patients RENAME notes TO other', 'ALTER TABLE s.patients RENAME hidden TO notes'),
  swap('ALTER TABLE s.patients SET SCHEMA e', 'ALTER TABLE d.patients SET SCHEMA s'),
  swap('ALTER TABLE s.patients SET SCHEMA d', 'ALTER TABLE e.patients SET SCHEMA s'),
  swap('ALTER TABLE s.patients RENAME TO seen', 'CREATE VIEW s.patients AS SELECT * FROM s.decoy'),
  swap('ALTER TABLE s.patients RENAME TO seen', 'CREATE MATERIALIZED VIEW s.patients AS SELECT * FROM s.decoy'),
  swap('DROP VIEW s.patients', 'ALTER TABLE s.seen RENAME TO patients'),
  'CREATE VIEW d.patients AS SELECT * FROM s.decoy WHERE public.no_row()',
  'ALTER TABLE s.patients DETACH PARTITION s.full',
  'ALTER TABLE s.patients DETACH PARTITION s.full CONCURRENTLY',
  'ALTER TABLE s.patients ATTACH PARTITION s.full FOR VALUES FROM (100) TO (1000)',
  'ALTER TABLE s.others ATTACH PARTITION s.full FOR VALUES FROM (100) TO (1000)',
  'ALTER TABLE s.others DETACH PARTITION s.full',
  'CREATE TABLE s.child () INHERITS (s.patients)',
  'CREATE TABLE e.parent (id int, notes bytea); ALTER TABLE s.patients INHERIT e.parent',
  'CREATE TEMPORARY TABLE patients AS SELECT * FROM s.decoy',
  'CREATE TABLE e.copy AS SELECT * FROM s.z',
  'ALTER TABLE s.patients ADD made bytea GENERATED ALWAYS AS (notes) STORED',
  'ALTER TABLE s.patients ALTER id ADD GENERATED ALWAYS AS IDENTITY',
  'ALTER TABLE s.patients ALTER notes SET STORAGE EXTERNAL',
  'CREATE DOMAIN e.bytes AS bytea; ALTER TABLE s.z ALTER notes TYPE e.bytes',
  "ALTER TABLE s.z ALTER notes TYPE text USING encode(notes, 'base64')",
  'CREATE VIEW e.seen AS SELECT * FROM s.z; CREATE RULE keeps AS ON DELETE TO s.z DO INSTEAD NOTHING',
  'ALTER TABLE s.patients ENABLE ROW LEVEL SECURITY',
  'ALTER TABLE s.patients FORCE ROW LEVEL SECURITY',
  'CREATE POLICY hides ON s.patients USING (public.no_row())',
  'CREATE POLICY hides ON s.patients USING (false)',
  'ALTER TABLE s.patients DISABLE ROW LEVEL SECURITY',
  'CREATE INDEX ON s.patients (id) WHERE public.always(id) = 2',
  'CREATE INDEX ON d.patients (public.always(id))',
  'CREATE STATISTICS s.seen_by ON (public.always(id)), id FROM s.patients',
  'ALTER TABLE s.patients ADD CHECK (id < 0) NOT VALID',
  'CREATE TRIGGER rests BEFORE UPDATE ON s.patients FOR EACH ROW EXECUTE FUNCTION public.nothing()',
  'CREATE RULE nothing AS ON UPDATE TO s.patients DO INSTEAD NOTHING',
  'REVOKE SELECT ON s.patients FROM clerk',
  'GRANT SELECT ON ALL TABLES IN SCHEMA s TO clerk',
  'REVOKE USAGE ON SCHEMA s FROM clerk',
  'ALTER TABLE s.patients ALTER id TYPE bigint',
  'ALTER TABLE s.patients SET UNLOGGED',
  'VACUUM FULL s.patients',
  'ALTER ROLE own SET search_path = public, pg_catalog',
  // A role that may create roles may change the settings of others.
  'GRANT own TO clerk; ALTER ROLE clerk SET role = own',
  ...[
    ...['search_path = d, public', 'statement_timeout = 1', 'lock_timeout = 1', 'idle_session_timeout = 1'],
    ...[
      'idle_in_transaction_session_timeout = 1',
      'transaction_timeout = 1',
      'row_security = off',
      'exit_on_error = on',
    ],
    ...['default_transaction_read_only = on', 'default_transaction_isolation = serializable', 'array_nulls = off'],
    ...['bytea_output = escape', "client_encoding = 'LATIN1'", "DateStyle = 'German'", 'quote_all_identifiers = on'],
    ...['standard_conforming_strings = off', 'transform_null_equals = on', 'debug_parallel_query = on'],
    ...['client_min_messages = debug5', 'plan_cache_mode = force_generic_plan', 'enable_seqscan = off'],
  ].map((setting) => `ALTER ROLE clerk SET ${setting}`),
];

const COMMIT = 'commit';

const moved = (from: string, to: string) =>
  `WITH m AS (DELETE FROM ${from} RETURNING *) INSERT INTO ${to} (id, notes) SELECT id, notes FROM m`;
const copied = 'INSERT INTO s.patients (id, notes) SELECT id, notes FROM s.z';

/** What moves the row of a table that is not listed, in one step or so that its old place cannot be read. */
const MOVES = [
  moved('s.z', 's.patients'),
  moved('s.z', 's.a'),
  moved('s.a', 's.patients'),
  swap(copied, 'TRUNCATE s.z'),
  swap(copied, 'DROP TABLE s.z'),
  swap(copied, 'ALTER TABLE s.z DROP notes'),
] as const;

const hex = (row: Buffer) => `'\\x${row.toString('hex')}'`;
const LATE_ROW = hex(patientRow('late', 1, 200));

/** What a transaction that commits later has written. */
const LATE = [
  `INSERT INTO s.patients VALUES (200, ${LATE_ROW})`,
  `INSERT INTO s.a VALUES (200, ${LATE_ROW})`,
  `CREATE TABLE s.made AS SELECT 200 AS id, ${LATE_ROW}::bytea AS notes`,
  `ALTER TABLE s.plain ADD notes bytea; INSERT INTO s.plain VALUES (200, ${LATE_ROW})`,
  // It belongs to no row, and so to no context of one.
  `SELECT lo_from_bytea(0, ${hex(encryptField('late', keyOf(1), '', { number: toKeyNumber(1) }))})`,
] as const;

const act = fc.record({
  /** Before which statement of the command: none, or one of those that an ordinary run has. */
  at: fc.integer({ min: 0, max: 165 }),
  does: fc.oneof(fc.constantFrom(...ACTS, COMMIT, COMMIT), fc.constantFrom(...MOVES)),
});

const situation = fc.record({
  /** Where the one row is that needs the key: nowhere, among those that are counted, in a table that is not, or in LATE. */
  place: fc.constantFrom('none', 'none', 'counted', 'elsewhere', ...LATE),
  /** Rows that are counted and do not need it. */
  others: fc.integer({ min: 0, max: 3 }),
  isPrepared: fc.boolean(),
  isPartitioned: fc.boolean(),
  before: fc.array(fc.constantFrom(...ACTS), { maxLength: 2 }),
  during: fc.array(act, { maxLength: 4 }),
  role: fc.constantFrom('postgres', 'clerk'),
  connections: fc.constantFrom('1', '2'),
});

/** The row moves once, and nothing else happens: a retirement that misses it is accepted. */
const onlyMoved: typeof situation = situation.chain((one) =>
  fc
    .record({ at: fc.integer({ min: 20, max: 145 }), does: fc.constantFrom(...MOVES) })
    .map((move) => ({ ...one, place: 'elsewhere', others: 1, before: [], during: [move] })),
);

/** The row is committed while the command runs, or after it, and nothing else happens. */
const onlyLate: typeof situation = situation.chain((one) =>
  fc
    .record({ at: fc.integer({ min: 0, max: 300 }), place: fc.constantFrom(...LATE) })
    .map(({ at, place }) => ({ ...one, place, others: 1, before: [], during: [{ at, does: COMMIT }] })),
);

/**
 * Tables whose rows are all under key 3, and one with these; of a partitioned one the first partition has key 3 only. All
 * in one message to the server: the way there takes longer than the work.
 */
async function makeTables(rows: readonly number[], isPartitioned: boolean, place: string): Promise<void> {
  const columns = '(id int PRIMARY KEY, notes bytea)';
  const clean = hex(patientRow('clean', 3, 1));
  const inserts = rows.map((number, index) => {
    const id = 101 + index;
    return `INSERT INTO s.patients VALUES (${id}, ${hex(patientRow('note', number, id))}, ${hex(patientRow('other', 3, id))})`;
  });
  const elsewhere = `INSERT INTO s.z VALUES (300, ${hex(patientRow('elsewhere', 1, 300))});`;
  await clinic.sql(`DROP SCHEMA IF EXISTS s, d, x, e CASCADE; SELECT lo_unlink(oid) FROM pg_largeobject_metadata; ALTER ROLE own RESET ALL; ALTER ROLE own NOSUPERUSER;
    ALTER ROLE clerk RESET ALL; REVOKE own FROM clerk;
    SET ROLE own;
    CREATE SCHEMA s; CREATE SCHEMA d; CREATE SCHEMA e; GRANT USAGE ON SCHEMA s, d, e TO clerk;
    CREATE TABLE s.patients (id int PRIMARY KEY, notes bytea, other bytea) ${isPartitioned ? 'PARTITION BY RANGE (id)' : ''};
    CREATE TABLE s.decoy ${columns}; CREATE TABLE d.patients ${columns};
    CREATE TABLE s.others (LIKE s.patients) PARTITION BY RANGE (id);
    CREATE TABLE s.a ${columns}; CREATE TABLE s.z ${columns}; CREATE TABLE s.plain (id int);
    ${
      isPartitioned
        ? `CREATE TABLE s.clean PARTITION OF s.patients FOR VALUES FROM (0) TO (100);
           CREATE TABLE s.full PARTITION OF s.patients FOR VALUES FROM (100) TO (1000);`
        : ''
    }
    RESET ROLE;
    ${['s.decoy', 'd.patients', ...(isPartitioned ? ['s.clean'] : [])].map((table) => `INSERT INTO ${table} VALUES (1, ${clean})`).join('; ')};
    ${inserts.map((insert) => `${insert};`).join('\n')}
    ${place === 'elsewhere' ? elsewhere : ''}
    GRANT SELECT ON ALL TABLES IN SCHEMA s, d TO clerk`);
}

/** What each has yet to do, one after the other. */
const doing = new Map<pg.Client, Promise<unknown>>();

/** Waits only a little: what the owner does may wait for a lock of the command, and then comes after it. */
async function tried(client: pg.Client, statements: string): Promise<void> {
  const former = doing.get(client) ?? Promise.resolve();
  const trying = former.then(async () => {
    try {
      for (const part of statements.split('; ')) await client.query(part);
    } catch {
      if (client === owner) await client.query('ROLLBACK');
    }
  });
  doing.set(client, trying);
  await Promise.race([trying, new Promise((resolve) => setTimeout(resolve, 30))]);
}

/** Calls `before` with the number of each statement that the command makes, before it is sent. */
function betweenStatements(before: (statement: number) => Promise<void>): void {
  let statements = 0;
  for (const name of ['rows', 'rowsByPlan', 'change', 'tableNamed'] as const) {
    const original = Reflect.get(Connection.prototype, name) as (...args: readonly unknown[]) => Promise<never>;
    jest.spyOn(Connection.prototype, name).mockImplementation(async function (this: Connection, ...args) {
      await before((statements += 1));
      return original.apply(this, args);
    });
  }
}

async function agedRing(): Promise<TestRing> {
  const made = await ringWith(1, previous(2), current(3));
  await made.service.advance(25 * HOUR);
  return made;
}

it('a retirement that is accepted loses no row, whatever the owner of the tables does before and meanwhile', async () => {
  ring = await agedRing();
  let [attacks, accepted] = [0, 0];
  const limit = SECONDS === Infinity ? {} : { interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false };
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        { weight: 3, arbitrary: situation },
        { weight: 1, arbitrary: onlyMoved },
        { weight: 1, arbitrary: onlyLate },
      ),
      async (attack) => {
        const { place, others, isPrepared, isPartitioned, before, during, role, connections } = attack;
        attacks += 1;
        await owner.query('DISCARD TEMP');
        const rows = [...Array<number>(others).fill(3), ...(place === 'counted' ? [1] : [])];
        await makeTables(rows, isPartitioned, place);
        const isLate = LATE.some((statements) => statements === place);
        if (isLate) await late.query(`BEGIN; ${place}`);
        if (isLate && isPrepared) await late.query("PREPARE TRANSACTION 'late'");
        for (const statements of before) await tried(owner, statements);
        const commit = isLate && isPrepared ? "COMMIT PREPARED 'late'" : 'COMMIT';
        betweenStatements(async (statement) => {
          for (const { at, does } of during) {
            if (at === statement) await tried(does === COMMIT ? late : owner, does === COMMIT ? commit : does);
          }
        });
        const args = ['retire', '1', '--yes', '--table', 's.patients', '--column', 'notes'];
        const options = [
          '--context',
          'patients:{id}:notes',
          '--writers-timeout',
          '0',
          '--connections',
          connections,
          '--unlisted-is-fine',
        ];
        const url = postgres.url.replace('postgres@', `${role}@`);
        const ran = await pazpazKeys(ring, [...args, ...options], { environment: { DATABASE_URL: url } });
        jest.restoreAllMocks();
        // After the retirement at the latest.
        await tried(late, commit);
        await Promise.all(doing.values());
        expect(await clinic.sql("SELECT FROM pg_roles WHERE rolname = 'own' AND rolsuper")).toEqual([]);
        const isNeeded = place !== 'none';
        const isQuiet = rows.length > 0 && before.length === 0 && during.length === 0;
        if (isQuiet) expect({ ran, isNeeded }).toMatchObject({ ran: { exitCode: isNeeded ? 1 : 0 } });
        if (ran.exitCode !== 0) return;
        accepted += 1;
        await stopServices();
        ring = await agedRing();
        expect({ ran, isNeeded }).toMatchObject({ isNeeded: false });
      },
    ),
    { numRuns: RUNS, seed: SEED, ...limit },
  );
  if (RUNS > 5) process.stdout.write(`${attacks} attacks, ${accepted} retirements: RUNS=${RUNS} SEED=${SEED}.\n`);
});
