import pg from 'pg';
import { census } from '../../src/postgres/census.ts';
import { Connection } from '../../src/postgres/connection/database.ts';
import { READING, withReaders } from '../../src/postgres/shared-snapshot.ts';
import { until } from '../support/until.ts';
import { Clinic, startPostgres } from './support/clinic.ts';
import { columnOf } from './support/column-of.ts';
import type { Postgres } from './support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes', context: 'p' };
const MANY = 5000;

/** Some forty ranges of the table. */
const RANGES = { rangeBytes: 40_000 };

/** Words: in a long run of letters a census looks for ciphertexts, which takes a hundred times as long. */
const NOTE = 'Patient has diabetes. '.repeat(10);

/** A table of rows of key 1 and, every tenth, of key 2. */
async function large(partitions = ''): Promise<void> {
  await clinic.sql('DROP TABLE IF EXISTS patients CASCADE');
  await clinic.sql(`CREATE TABLE patients (id int PRIMARY KEY, notes bytea) ${partitions}`);
  if (partitions !== '') {
    await clinic.sql('CREATE TABLE few PARTITION OF patients FOR VALUES FROM (0) TO (100)');
    await clinic.sql('CREATE TABLE many PARTITION OF patients FOR VALUES FROM (100) TO (1000000)');
  }
  const [one, two] = [1, 2].map((number) => clinic.row(NOTE, number, 'p'));
  await clinic.sql(
    'INSERT INTO patients SELECT i, CASE WHEN i % 10 = 0 THEN $2::bytea ELSE $1::bytea END FROM generate_series(1, $3) i',
    [one, two, MANY],
  );
}

it.each(['', 'PARTITION BY RANGE (id)'])(
  'several connections count each row once, in one snapshot: table %s',
  async (partitions) => {
    await large(partitions);
    const seen: number[] = [];
    let changed: Promise<unknown> | undefined;
    const [count] = await census(postgres, [SPEC], clinic.keys, {
      ...RANGES,
      connections: 3,
      onBatch: ({ estimatedRows }, rows) => {
        expect(estimatedRows).toBe(MANY);
        seen.push(rows);
        // What the application does meanwhile is not in the snapshot, on whatever connection.
        changed ??= clinic.sql('DELETE FROM patients WHERE id % 2 = 0');
      },
    });
    await changed;
    expect(count).toMatchObject({ rows: MANY, numbered: { 1: MANY * 0.9, 2: MANY * 0.1 }, unreadable: 0 });
    expect(seen.at(-1)).toBe(MANY);
    expect((await clinic.census(SPEC)).rows).toBe(MANY / 2);
  },
);

it('no connection waits for a transaction that waits for the census itself', async () => {
  await large();
  const other = new pg.Client({ connectionString: postgres.url });
  await other.connect();
  try {
    let waiting: Promise<unknown> | undefined;
    const specs = [SPEC, SPEC];
    const counting = census({ ...postgres }, specs, clinic.keys, {
      ...RANGES,
      connections: 2,
      onBatch: () => {
        waiting ??= other.query('ALTER TABLE patients ADD more int');
      },
    });
    expect((await counting).map(({ rows }) => rows)).toEqual([MANY, MANY]);
    await waiting;
  } finally {
    await other.end();
  }
});

it('a further connection that would wait for a change of the table is left out', async () => {
  await large();
  const changer = new pg.Client({ connectionString: postgres.url });
  const first = await Connection.open(postgres);
  await changer.connect();
  try {
    const columns = [await columnOf(postgres, SPEC)];
    const readers = await first.transaction(async () => {
      await first.change('LOCK TABLE public.patients IN ACCESS SHARE MODE');

      const altered = changer.query('ALTER TABLE patients ADD more int');
      altered.catch(() => undefined);
      await until(async () => (await clinic.sql('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
      return await withReaders(postgres, first, columns, 3, ({ length }) => Promise.resolve(length));
    }, READING);
    expect(readers).toBe(1);
  } finally {
    await Promise.all([first.close(), changer.end()]);
  }
});

it('a signal ends it with its reason', async () => {
  await large();
  const stop = new AbortController();
  const counting = census(postgres, [SPEC], clinic.keys, {
    ...RANGES,
    connections: 2,
    signal: stop.signal,
    onBatch: () => {
      stop.abort(new Error('enough'));
    },
  });
  await expect(counting).rejects.toThrow('enough');
});

it('keeps the further connections alive while the first one counts all rows', async () => {
  await large();
  const send = Reflect.get<Connection, 'rows'>(Connection.prototype, 'rows');
  const repeated: (() => void)[] = [];
  const timer = jest.spyOn(globalThis, 'setInterval').mockImplementation((act: () => void) => {
    repeated.push(act);
    return setTimeout(() => undefined, 0);
  });
  const kept = new Set<Connection>();
  const rows = jest.spyOn(Connection.prototype, 'rows').mockImplementation(function (this: Connection, text, values) {
    if (text === 'SELECT') kept.add(this);
    // As if the count took until the interval is over.
    if (text.startsWith('SELECT pg_catalog.count(*)')) for (const act of repeated) act();
    return send.call(this, text, values);
  });
  try {
    const [counted] = await census(postgres, [SPEC], clinic.keys, { connections: 3 });
    expect(counted?.rows).toBe(MANY);
    expect(kept.size).toBe(2);
  } finally {
    rows.mockRestore();
    timer.mockRestore();
  }
});
