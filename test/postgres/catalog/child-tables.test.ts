import { census } from '../../../src/postgres/census.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { headerCensus } from '../../../src/postgres/header-census.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** A table that others inherit from is counted, searched and re-encrypted without their rows, and so is each of them. */

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const spec = (table: string) => ({ table: `clinic.${table}`, column: 'notes', context: 'p:{id}' });
const FAMILY = ['parent', 'child', 'grandchild'].map(spec);

beforeEach(async () => {
  await clinic.sql(`DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; DROP SCHEMA IF EXISTS clinic CASCADE; CREATE SCHEMA clinic;
    CREATE TABLE clinic.parent (id int PRIMARY KEY, notes bytea);
    CREATE TABLE clinic.child (PRIMARY KEY (id)) INHERITS (clinic.parent);
    CREATE TABLE clinic.grandchild (PRIMARY KEY (id)) INHERITS (clinic.child)`);
  // The keys repeat.
  for (const [table, rows] of [
    ['parent', 3],
    ['child', 2],
    ['grandchild', 1],
  ] as const)
    for (let id = 1; id <= rows; id += 1)
      await clinic.sql(`INSERT INTO clinic.${table} VALUES ($1, $2)`, [id, clinic.row('note', 1, `p:${id}`)]);
});

it('each of them is counted by itself', async () => {
  const counts = await census(postgres, FAMILY, clinic.keys, { connections: 2 });
  expect(counts.map(({ rows, numbered }) => [rows, numbered])).toEqual([
    [3, { 1: 3 }],
    [2, { 1: 2 }],
    [1, { 1: 1 }],
  ]);
  expect((await headerCensus(postgres, FAMILY)).map(({ rows }) => rows)).toEqual([3, 2, 1]);
  expect(await clinic.census(spec('grandchild'))).toMatchObject({ rows: 1 });
});

it('each of them is re-encrypted by itself', async () => {
  const reports = await reencrypt(postgres, FAMILY, clinic.keys);
  expect(reports.map(({ isFinished, totals }) => [isFinished, totals.reencrypted])).toEqual([
    [true, 3],
    [true, 2],
    [true, 1],
  ]);
  const counts = await census(postgres, FAMILY, clinic.keys);
  expect(counts.map(({ numbered }) => numbered)).toEqual([{ 2: 3 }, { 2: 2 }, { 2: 1 }]);
});

it.each([[[spec('parent')]], [[spec('parent'), spec('child')]], [[spec('child')]]])(
  'a list that lacks a child is refused: %j',
  async (specs) => {
    for (const refused of [census, reencrypt]) {
      const error = await rejectionOf(refused(postgres, specs, clinic.keys));
      expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
      expect(error.message).toMatch(/child tables by inheritance[^]*--columns[^]*Not listed: [^]*clinic\.grandchild\./);
    }
  },
);

it('each of them is searched by itself', async () => {
  const found = await findColumns(postgres, clinic.keys, ['p:{id}']);
  expect(found.skipped).toEqual([]);
  expect(found.columns.map(({ table, opened }) => [table, opened])).toEqual([
    ['clinic.child', 2],
    ['clinic.grandchild', 1],
    ['clinic.parent', 3],
  ]);
});
