import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { census } from '../../../src/postgres/census.ts';
import type { Column } from '../../../src/postgres/catalog/column.ts';
import { holdTable } from '../../../src/postgres/catalog/look-up-table.ts';
import { withColumns } from '../../../src/postgres/catalog/look-up-column.ts';
import { requireSameTables } from '../../../src/postgres/catalog/table-locks.ts';
import { checkedColumns } from '../../../src/postgres/job/checked-columns.ts';
import { checkJob } from '../../../src/postgres/job/final-check.ts';
import { openJob } from '../../../src/postgres/job/job.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { countHeaders } from '../../../src/postgres/header-census.ts';
import { writeRows } from '../../../src/postgres/job/write-rows.ts';
import { readBatch, readRows } from '../../../src/postgres/read-rows.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { scanRange } from '../../../src/postgres/heap-scan.ts';
import type { ScannedRow } from '../../../src/postgres/row-reader.ts';
import { columnOf } from '../support/column-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** The owner puts another table in the place of one that is counted, without a lock that the count would wait for. */

let postgres: Postgres;
let clinic: Clinic;
let clerk: { readonly url: string };
let owner: Owner;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE ROLE own LOGIN; CREATE ROLE clerk LOGIN; GRANT CREATE ON DATABASE postgres TO own');
  clerk = { url: postgres.url.replace('postgres@', 'clerk@') };
  owner = new Owner(postgres.url.replace('postgres@', 'own@'));
});
afterAll(async () => {
  await owner.end();
  await postgres.stop();
});

async function fill(table: string, number: number): Promise<void> {
  await clinic.sql(`CREATE TABLE ${table} (id int PRIMARY KEY, notes bytea); ALTER TABLE ${table} OWNER TO own`);
  await clinic.sql(`INSERT INTO ${table} VALUES (1, $1)`, [clinic.row('note', number, 'p:1')]);
}

beforeEach(async () => {
  await clinic.sql(`DROP SCHEMA IF EXISTS s, d, x, f CASCADE`);
  for (const schema of ['s', 'd', 'f']) {
    await clinic.sql(`CREATE SCHEMA ${schema} AUTHORIZATION own; GRANT USAGE ON SCHEMA ${schema} TO clerk`);
  }
  await fill('f.first', 3);
  await fill('s.patients', 1);
  await fill('d.patients', 3);
  await clinic.sql('GRANT SELECT ON f.first, s.patients, d.patients TO clerk');
});

const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads');
  const client = new (require('pg').Client)({ connectionString: workerData.url });
  client.connect();
  parentPort.on('message', (statements) => {
    client.query(statements).then(() => 'done', String).then((end) => {
      workerData.answers.postMessage(end);
      Atomics.store(workerData.ends, 0, 1);
      Atomics.notify(workerData.ends, 0);
    });
  });`;

/** The owner's own thread: it works while this one is stopped. */
class Owner {
  readonly #ends = new Int32Array(new SharedArrayBuffer(4));
  readonly #channel = new MessageChannel();
  readonly #thread: Worker;

  constructor(url: string) {
    const answers = this.#channel.port2;
    const workerData = { url, answers, ends: this.#ends };
    this.#thread = new Worker(PROGRAM, { eval: true, workerData, transferList: [answers] });
  }

  does(statements: string): void {
    Atomics.store(this.#ends, 0, 0);
    this.#thread.postMessage(statements);
    Atomics.wait(this.#ends, 0, 0);
    expect(receiveMessageOnPort(this.#channel.port1)).toEqual({ message: 'done' });
  }

  async end(): Promise<void> {
    this.#channel.port1.close();
    await this.#thread.terminate();
  }
}

/** What the owner does while this thread does nothing. */
function ownerDoes(statements: string): void {
  owner.does(statements);
}

const SPECS = ['f.first', 's.patients'].map((table) => ({ table, column: 'notes', context: 'p:{id}' }));
const SWAP = 'BEGIN; ALTER SCHEMA s RENAME TO x; ALTER SCHEMA d RENAME TO s; COMMIT';
const SWAP_BACK = 'BEGIN; ALTER SCHEMA s RENAME TO d; ALTER SCHEMA x RENAME TO s; COMMIT';

test.each([1, 2])('a schema that takes the name of another is not counted in its place, on %i', async (connections) => {
  const counting = census(clerk, SPECS, clinic.keys, {
    connections,
    onBatch: ({ spec }) => {
      ownerDoes(spec.table === 'f.first' ? SWAP : SWAP_BACK);
    },
  });
  expect(await rejectionOf(counting)).toMatchObject({ code: 'DATABASE_REFUSED' });
});

test('a view that takes the name with its schema does not stand for the table', async () => {
  await clinic.sql(`ALTER TABLE d.patients RENAME TO kept; CREATE VIEW d.patients AS SELECT * FROM d.kept;
    ALTER VIEW d.patients OWNER TO own; GRANT SELECT ON d.patients TO clerk`);
  const counting = census(clerk, SPECS, clinic.keys, {
    onBatch: ({ spec }) => {
      ownerDoes(spec.table === 'f.first' ? SWAP : SWAP_BACK);
    },
  });
  expect(await rejectionOf(counting)).toMatchObject({ code: 'DATABASE_REFUSED' });
});

describe('a view that takes the name of a table between a look and a statement', () => {
  const SPEC = { table: 's.patients', column: 'notes', context: 'p:{id}' };
  const LIMITS = { rows: 10, bytes: 1_000_000 };
  beforeEach(async () => {
    await clinic.sql('ALTER ROLE own NOSUPERUSER; DROP TABLE d.patients; GRANT ALL ON s.patients TO clerk');
    // PostgreSQL calls an immutable function without columns as it plans the query.
    ownerDoes(`CREATE FUNCTION d.rise(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF current_user <> 'own' THEN EXECUTE 'ALTER ROLE own SUPERUSER'; END IF; RETURN true; END $$;
      CREATE VIEW d.patients AS SELECT tableoid, ctid, id, notes FROM s.patients WHERE d.rise('now')`);
  });

  test.each<readonly [string, (session: Connection, column: Column) => Promise<unknown>]>([
    ['a census', (session, column) => scanRange(session, column, { from: undefined, to: undefined }, () => undefined)],
    ['a hold', (session, column) => holdTable(session, column.tableId, column.table)],
    ['a look at its headers', (session, column) => countHeaders(session, column)],
    [
      'a batch that reads',
      (session, column) => readBatch(session, column, { after: undefined, upTo: undefined }, LIMITS),
    ],
    ['a batch that reads rows again', (session, column) => readRows(session, column, [['1']], LIMITS)],
    [
      'a batch that writes',
      (session, column) =>
        writeRows(session, column, [{ key: ['1'], stored: '\\x00', watched: [], sealed: Buffer.from('x') }]),
    ],
  ])('is refused by %s before a function of it runs', async (_, statement) => {
    const column = await columnOf(postgres, SPEC);
    const session = await Connection.open(postgres);
    try {
      ownerDoes(SWAP);
      expect((await rejectionOf(session.transaction(() => statement(session, column)))).message).toContain('view');
      expect(await clinic.sql("SELECT FROM pg_roles WHERE rolname = 'own' AND rolsuper")).toEqual([]);
    } finally {
      await session.close();
    }
  });
});

test('a scan gives no row of another table that has the name, even one that is counted too', async () => {
  const column = await columnOf(clerk, { table: 's.patients', column: 'notes', context: 'p:{id}' });
  ownerDoes(SWAP);
  const session = await Connection.open(clerk);
  const rows: ScannedRow[] = [];
  const scan = () => scanRange(session, column, { from: undefined, to: undefined }, (row) => rows.push(row));
  try {
    await session.transaction(scan);
    expect(rows).toHaveLength(0);
    ownerDoes(SWAP_BACK);
    await session.transaction(scan);
    expect(rows).toHaveLength(1);
  } finally {
    await session.close();
  }
});

test('a table that this user cannot lock is counted, and its rows are not vouched for', async () => {
  await clinic.sql('REVOKE ALL ON s.patients FROM clerk; GRANT SELECT (id, notes) ON s.patients TO clerk');
  const [first, second] = await census(clerk, SPECS, clinic.keys);
  expect(first).toMatchObject({ unseen: [] });
  expect(second).toMatchObject({ numbered: { 1: 1 }, unseen: [expect.stringContaining('cannot be locked')] });
});

test('a partition, its toasted values and its indexes are tables of the count', async () => {
  await clinic.sql(`CREATE TABLE f.parts (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
    CREATE TABLE f.part PARTITION OF f.parts DEFAULT; ALTER TABLE f.part ALTER notes SET STORAGE EXTERNAL;
    GRANT SELECT ON f.parts, f.part TO clerk`);
  await clinic.sql('INSERT INTO f.parts VALUES (1, $1)', [clinic.row('note'.repeat(5000), 3, 'p:1')]);
  for (const table of ['f.parts', 'f.part']) {
    const spec = { table, column: 'notes', context: 'p:{id}' };
    expect(await census(clerk, [spec], clinic.keys, { connections: 2 })).toMatchObject([{ numbered: { 3: 1 } }]);
  }
});

test('a schema that takes the name during the last check of a job does not finish it', async () => {
  const spec = { table: 's.patients', column: 'notes', context: 'p:{id}' };
  const [checked] = await checkedColumns(postgres, [spec], clinic.keys, undefined);
  if (checked === undefined) throw new Error('no column was looked up');
  const session = await Connection.open(postgres);
  try {
    const job = await openJob(session, checked.column, { target: 3, startOver: true, brakes: {} });
    await clinic.sql('UPDATE pazpaz_keys.job SET is_cut = true WHERE id = $1', [job.id]);
    const limits = { rows: 10, bytes: 1_000_000 };
    const work = { session, checked, job, keys: clinic.keys, limits };
    // It is asked before each range is read.
    const stop = Object.defineProperty(new AbortController().signal, 'aborted', {
      get: () => {
        ownerDoes(SWAP);
        return false;
      },
    });
    expect((await rejectionOf(checkJob(work, { isLast: false, mayRepeat: false }, stop))).message).toContain(
      'was replaced',
    );
    expect(await clinic.sql('SELECT finished_at FROM pazpaz_keys.job WHERE id = $1', [job.id])).toEqual([
      { finished_at: null },
    ]);
  } finally {
    await session.close();
  }
});

describe('what the name means before and after a count is compared', () => {
  const SPEC = { table: 's.patients', column: 'notes', context: 'p:{id}' };

  test('with another schema that has the name as the table is looked up, and loses it before the count', async () => {
    ownerDoes(SWAP);
    const looking = withColumns(clerk, [SPEC], async (_, columns) => {
      const watch = await Connection.open(clerk);
      try {
        await requireSameTables(watch, columns);
        ownerDoes(SWAP_BACK);
        await requireSameTables(watch, columns);
      } finally {
        await watch.close();
      }
    });
    expect((await rejectionOf(looking)).message).toContain('s.patients: the table was replaced');
  });

  test('with a schema that loses its name and takes it again', async () => {
    const counting = census(clerk, [SPEC], clinic.keys, {
      onBatch: () => {
        ownerDoes(SWAP);
        ownerDoes(SWAP_BACK);
      },
    });
    expect((await rejectionOf(counting)).message).toContain('s.patients: the table was replaced');
  });

  test('with a schema that has the name only as it is looked up', async () => {
    // The name is asked for before the lock: a table of the same name has it only then.
    const named = jest.spyOn(Connection.prototype, 'tableNamed').mockImplementationOnce(async () => {
      const [found] = await clinic.sql<{ id: string }>("SELECT 'd.patients'::regclass::oid::text AS id");
      return found?.id;
    });
    const counting = census(clerk, [SPEC], clinic.keys);
    const error = await rejectionOf(counting);
    named.mockRestore();
    expect(error.message).toContain('s.patients: the table was replaced');
  });
});

test('a trigger that the operator lets fire reads through a view', async () => {
  await clinic.sql(`CREATE VIEW f.one AS SELECT 1 AS n;
    CREATE FUNCTION f.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM n FROM f.one; RETURN new; END $$;
    CREATE TRIGGER looks BEFORE UPDATE ON s.patients FOR EACH ROW EXECUTE FUNCTION f.look()`);
  const spec = { table: 's.patients', column: 'notes', context: 'p:{id}' };
  expect(await clinic.reencrypt(spec, { triggers: 'fire' })).toMatchObject({ totals: { reencrypted: 1, left: 0 } });
});

describe('a function that the planner calls for the predicate of an index', () => {
  beforeEach(async () => {
    await clinic.sql(`CREATE TABLE d.settings (k text PRIMARY KEY, v text); INSERT INTO d.settings VALUES ('tenant', 'x');
      CREATE OR REPLACE FUNCTION public.setting_of(text) RETURNS text LANGUAGE sql IMMUTABLE
        AS 'SELECT v FROM d.settings WHERE k = $1';
      ALTER TABLE s.patients OWNER TO postgres; ALTER TABLE s.patients ADD tenant text;
      CREATE INDEX ON s.patients (id) WHERE tenant = public.setting_of('tenant')`);
  });
  afterEach(() => clinic.sql('DROP FUNCTION public.setting_of(text) CASCADE'));

  test('may read other tables: none of them has the name of the one that is counted', async () => {
    const spec = { table: 's.patients', column: 'notes', context: 'p:{id}' };
    expect(await clinic.census(spec)).toMatchObject({ rows: 1, numbered: { 1: 1 } });
    expect((await findColumns(postgres, clinic.keys, ['p:{id}'])).skipped).toEqual([]);
    expect(await clinic.reencrypt(spec)).toMatchObject({ totals: { reencrypted: 1, left: 0 } });
  });
});
