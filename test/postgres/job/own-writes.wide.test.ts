import { jest } from '@jest/globals';
import type { ReencryptOptions, ReencryptReport } from '../../../src/postgres/job/reencrypt.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());
afterEach(() => {
  jest.restoreAllMocks();
});

const ROWS = 40;
const SPEC = { table: 'patients', column: 'notes' };
const SMALL = { batchRows: 7, rangeRows: 20, connections: 1 };

beforeEach(async () => {
  await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: ROWS }, (_, index) => clinic.row(`note ${index}`, 1)),
  );
});

/** How many rows a run opens. */
async function opened(options: ReencryptOptions = {}): Promise<number> {
  const spy = jest.spyOn(clinic.keys, 'ofNumber');
  await clinic.reencrypt(SPEC, { ...SMALL, ...options });
  return spy.mock.calls.length;
}

const NOTHING = 'CREATE OR REPLACE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$';
const PARTITIONS =
  'ALTER TABLE patients RENAME TO part; CREATE TABLE patients (LIKE part INCLUDING ALL) PARTITION BY RANGE (id); ' +
  'ALTER TABLE patients ATTACH PARTITION part FOR VALUES FROM (0) TO (1000)';

describe('the final check opens no row that the job wrote last', () => {
  it.each<[string, string, ReencryptOptions]>([
    ['of a plain table', '', {}],
    ['of partitions', PARTITIONS, {}],
    [
      'past triggers that rest',
      `${NOTHING}; CREATE TRIGGER t AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION nothing()`,
      { triggers: 'skip' },
    ],
  ])('%s', async (_, sql, options) => {
    await clinic.sql(sql);
    expect(await opened(options)).toBe(ROWS);
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: ROWS });
  });

  it('and opens one that another wrote since', async () => {
    const onBatch = jest.fn(() => {
      if (onBatch.mock.calls.length === 4) void clinic.sql('UPDATE patients SET id = id WHERE id = 1');
    });
    expect(await opened({ onBatch })).toBe(ROWS + 1);
  });
});

describe('a job that is continued', () => {
  it.each<[string, string, number]>([
    ['opens no row that it wrote before', '', 0],
    [
      'opens every row in a copy of the database, or after a restart: its transactions have numbers of another run of the server',
      "UPDATE pazpaz_keys.range SET written_in = written_in - interval '1 minute'",
      ROWS,
    ],
  ])('%s', async (_, sql, count) => {
    await clinic.reencrypt(SPEC, SMALL);
    await clinic.sql(`UPDATE pazpaz_keys.job SET finished_at = NULL; ${sql}`);
    expect(await opened()).toBe(count);
  });
});

describe('the final check opens every row', () => {
  it.each<[string, string, ReencryptOptions]>([
    [
      'past triggers that fire',
      `${NOTHING}; CREATE TRIGGER t AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION nothing()`,
      { triggers: 'fire' },
    ],
    [
      'past triggers of another event, which an update of a partition key sets off',
      `${NOTHING}; CREATE TRIGGER t AFTER INSERT ON patients FOR EACH ROW EXECUTE FUNCTION nothing()`,
      {},
    ],
    [
      'past rules that rest only with the usual role',
      'CREATE RULE r AS ON UPDATE TO patients DO ALSO SELECT 1; ALTER TABLE patients ENABLE REPLICA RULE r',
      {},
    ],
    [
      'whose foreign key passes updates on to other rows',
      'ALTER TABLE patients ADD UNIQUE (notes), ADD twin bytea REFERENCES patients (notes) ON UPDATE CASCADE',
      { triggers: 'fire' },
    ],
    [
      'of a job that wrote no columns down',
      '',
      {
        onBatch: () => {
          void clinic.sql('UPDATE pazpaz_keys.job SET columns = NULL');
        },
      },
    ],
  ])('%s', async (_, sql, options) => {
    await clinic.sql(sql);
    expect(await opened(options)).toBe(2 * ROWS);
  });
});

it('a row that a trigger turned back in the transaction of a batch is found', async () => {
  await clinic.sql(
    `CREATE TABLE turned (id int);
     CREATE FUNCTION turn_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NEW.id = 5 AND NOT EXISTS (SELECT FROM turned) THEN
         INSERT INTO turned VALUES (5);
         UPDATE patients SET notes = OLD.notes WHERE id = 5;
       END IF;
       RETURN NULL; END $$;
     CREATE TRIGGER turn_back AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION turn_back()`,
  );
  expect(await clinic.reencrypt(SPEC, { ...SMALL, triggers: 'fire' })).toMatchObject({ isFinished: true });
  expect((await clinic.census(SPEC)).numbered).toEqual({ 2: ROWS });
  await clinic.sql('DROP FUNCTION turn_back CASCADE; DROP TABLE turned');
});

it.each<[string, string]>([
  ['a table', ''],
  ['a partition that was away meanwhile', PARTITIONS],
])('a column of %s that takes the name has its rows brought, although no one wrote them', async (_, sql) => {
  await clinic.sql(sql);
  await clinic.reencrypt(SPEC, SMALL);
  await clinic.sql('UPDATE pazpaz_keys.job SET finished_at = NULL');
  const old = clinic.row('old', 1).toString('hex');
  const takeName = (table: string) =>
    `ALTER TABLE ${table} ADD n2 bytea DEFAULT '\\x${old}'; ALTER TABLE ${table} DROP notes;
     ALTER TABLE ${table} RENAME n2 TO notes;`;
  await clinic.sql(
    sql === ''
      ? takeName('patients')
      : `ALTER TABLE patients DETACH PARTITION part; ${takeName('part')} ALTER TABLE patients ATTACH PARTITION part FOR VALUES FROM (0) TO (1000)`,
  );
  expect((await clinic.census(SPEC)).numbered).toEqual({ 1: ROWS });
  expect(await clinic.reencrypt(SPEC, SMALL)).toMatchObject({ isFinished: true });
  expect((await clinic.census(SPEC)).numbered).toEqual({ 2: ROWS });
});

it('a check that finds very many rows begins all of them again', async () => {
  await clinic.reencrypt(SPEC, SMALL);
  await clinic.sql('UPDATE pazpaz_keys.job SET finished_at = NULL');
  await clinic.sql(`INSERT INTO patients SELECT 1000 + n, $1 FROM generate_series(1, 1001) n`, [
    clinic.row('written meanwhile', 1),
  ]);
  const report = await clinic.reencrypt(SPEC, { mostFound: 1000 });
  expect(report).toMatchObject({ isFinished: true, left: [], ownReencrypted: 1001 });
  expect(await clinic.sql('SELECT pass FROM pazpaz_keys.job')).toEqual([{ pass: 2 }]);
  expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 1001 + ROWS });
});

it('rows that were written behind a job and cannot be re-encrypted are listed once, and counted', async () => {
  const box = (text: string) => oldBox(text, { key: clinic.world.keyOf(1) }).toString('base64');
  const spec = { ...SPEC, context: '{tenant}' };
  await clinic.table('patients', 'text', ['no ciphertext', clinic.row('note', 1, 't').toString('base64')]);
  await clinic.sql("ALTER TABLE patients ADD tenant text DEFAULT 't'");
  const first = { key: ['1'], code: 'INVALID_CIPHERTEXT' };
  expect(await clinic.reencrypt(spec)).toMatchObject({ totals: { reencrypted: 1, left: 1 }, left: [first] });

  await clinic.sql(`INSERT INTO patients VALUES (-1, $1, NULL), (-2, $2, 't'), (-3, '!', 't')`, [
    box('a'),
    JSON.stringify({ version: 'v1', ciphertext: box('b'), algorithm: 'AES-256-GCM', name: 'x' }),
  ]);
  for (let run = 0; run < 2; run += 1) {
    await clinic.sql('UPDATE pazpaz_keys.job SET finished_at = NULL');
    const { isFinished, totals, left } = await clinic.reencrypt(spec);
    expect({ isFinished, totals }).toMatchObject({ isFinished: true, totals: { reencrypted: 1, left: 4 } });
    expect(left).toEqual([
      { key: ['-1'], code: 'CONTEXT_COLUMN_IS_NULL' },
      { key: ['-2'], code: 'OTHER_MEMBERS' },
      { key: ['-3'], code: 'INVALID_CIPHERTEXT' },
      first,
    ]);
  }
});

describe('of more rows than are remembered by key', () => {
  const byHand = Buffer.from('by hand');
  const again = async (options: ReencryptOptions) => {
    await clinic.sql('UPDATE pazpaz_keys.job SET finished_at = NULL');
    return clinic.reencrypt(SPEC, options);
  };

  it('each is counted once, also where refused ones fill the list', async () => {
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id BETWEEN 4 AND 6', [byHand]);
    await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.id < 4 THEN RAISE 'no'; END IF; RETURN new; END $$;
      CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const options = { ...SMALL, batchRows: 1, triggers: 'fire', mostLeft: 2 } as const;
    const report = await clinic.reencrypt(SPEC, options);
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS - 6, left: 6 } });
    expect(await again(options)).toMatchObject({ isFinished: true, totals: { left: 6 }, left: report.left });
  });

  it('one whose reason has changed stays on the list, and another has its place only once it is done', async () => {
    const options = { ...SMALL, mostLeft: 2 };
    const [broken, tampered] = ['INVALID_CIPHERTEXT', 'TAMPERED_OR_WRONG_CONTEXT'];
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id <= 3', [byHand]);
    const listed = async (report: Promise<ReencryptReport>) => {
      const { isFinished, totals, left } = await report;
      return { isFinished, left: totals.left, listed: left.map(({ key, code }) => [...key, code]) };
    };
    expect(await listed(clinic.reencrypt(SPEC, options))).toEqual({
      ...{ isFinished: true, left: 3 },
      listed: [
        ['1', broken],
        ['2', broken],
      ],
    });
    // They are read last.
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id <= 2', [clinic.row('note', 1, 'another context')]);
    expect(await listed(again(options))).toEqual({
      ...{ isFinished: true, left: 3 },
      listed: [
        ['1', tampered],
        ['2', tampered],
      ],
    });
    await clinic.sql('UPDATE patients SET notes = NULL WHERE id = 1');
    expect(await listed(again(options))).toMatchObject({ isFinished: true, left: 2 });
    expect(await listed(again(options))).toEqual({
      ...{ isFinished: true, left: 2 },
      listed: [
        ['2', tampered],
        ['3', broken],
      ],
    });
  });
});
