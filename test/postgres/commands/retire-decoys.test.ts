import { Connection } from '../../../src/postgres/connection/database.ts';
import { pazpazKeys } from '../../cli/support/operator.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { patientRow } from '../support/patients.ts';
import { withTableOwner } from '../support/table-owner.ts';

/** The owner of the rows wants a key to go that they still need, and shows `retire` another table in their place. */

jest.setTimeout(60_000);

const owner = withTableOwner();

const COLUMN = ['--table', 's.patients', '--column', 'notes', '--context', 'patients:{id}:notes'];

beforeEach(async () => {
  await owner.query('DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s');
});

async function insert(table: string, rows: readonly (readonly [id: number, number: number])[]): Promise<void> {
  for (const [id, number] of rows) {
    await owner.query(`INSERT INTO ${table} VALUES ($1, $2)`, [id, patientRow('note', number, id)]);
  }
}

/** Runs `retire 1`; `acts` come before each connection is opened or taken again, by its number from 1. */
async function retire(acts: Readonly<Record<number, string>> = {}, ...flags: readonly string[]) {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  const before = ring.snapshot;
  let opened = 0;
  const open = Connection.open.bind(Connection);
  jest.spyOn(Connection, 'open').mockImplementation(async (address) => {
    opened += 1;
    const act = acts[opened];
    if (act !== undefined) await owner.query(act);
    return open(address);
  });
  const args = ['retire', '1', '--yes', ...COLUMN, ...flags];
  const ran = await pazpazKeys(ring, args, { environment: { DATABASE_URL: owner.url() } });
  return { ...ran, isUnchanged: ring.snapshot === before };
}

/**
 * The list of all tables opens the first connection, the looks at sessions and at jobs one each, the count two, the list of
 * those with writers one, and the look in the snapshot two. The ninth is the first one after the count, which holds the
 * tables until then.
 */
const AFTER_COUNT = 9;

const TABLE = '(id int PRIMARY KEY, notes bytea)';

describe('a clean table that has the name while it is counted', () => {
  beforeEach(async () => {
    await owner.query(`CREATE TABLE s.kept ${TABLE}; CREATE TABLE s.patients ${TABLE}`);
    await insert('s.patients', [[1, 3]]);
  });
  const back = 'ALTER TABLE s.patients RENAME TO gone; ALTER TABLE s.kept RENAME TO patients';

  it('does not stand for the table that has it afterwards', async () => {
    await insert('s.kept', [[1, 1]]);
    const ran = await retire({ [AFTER_COUNT]: back });
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(ran.stderr).toContain('s.kept.notes');
  });

  it('does not stand for it either where a sample of that one shows nothing', async () => {
    await owner.query("INSERT INTO s.kept SELECT i, 'plain' FROM generate_series(2, 60000) i");
    await insert('s.kept', [[99999, 1]]);
    const ran = await retire({ [AFTER_COUNT]: back });
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    // A sample is random, and may show the row.
    expect(ran.stderr).toMatch(/s\.patients: the table was replaced|s\.kept\.notes/);
  });
});

it('a clean partition does not stand for its table', async () => {
  await owner.query(`CREATE TABLE s.all_patients ${TABLE} PARTITION BY RANGE (id);
    CREATE TABLE s.patients PARTITION OF s.all_patients FOR VALUES FROM (0) TO (10);
    CREATE TABLE s.others PARTITION OF s.all_patients FOR VALUES FROM (10) TO (20)`);
  await insert('s.all_patients', [
    [1, 3],
    [11, 1],
  ]);
  const ran = await retire();
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  expect(ran.stderr).toContain('s.all_patients.notes');
});

it('a clean column does not stand for one that takes its name afterwards', async () => {
  await owner.query('CREATE TABLE s.patients (id int PRIMARY KEY, kept bytea, notes bytea)');
  await owner.query('INSERT INTO s.patients VALUES (1, $1, $2)', [patientRow('a', 1, 1), patientRow('b', 3, 1)]);
  const back = 'ALTER TABLE s.patients RENAME notes TO gone; ALTER TABLE s.patients RENAME kept TO notes';
  const ran = await retire({ [AFTER_COUNT]: back });
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  expect(ran.stderr).toContain('Columns that were not counted hold ciphertexts of the key: s.patients.kept');
});
