import { oldBox } from '../../format/support/old-application.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes' };
const IN_ROW = { ...SPEC, context: 'p:{id}' };
const MISSPELT = { ...SPEC, context: 'p:{id}:' };

const older = (count: number) =>
  Array.from({ length: count }, (_, at) => oldBox(`older ${at}`, { key: clinic.world.keyOf(1) }));
/** So many rows in the context of their ids, from `first` on, or in none. */
const rows = (count: number, first?: number) =>
  Array.from({ length: count }, (_, at) => clinic.row('x', 1, first === undefined ? '' : `p:${first + at}`));

const before = async (values: readonly Buffer[], type = 'bytea') => {
  const spelled = values.map((value) => (type === 'text' ? value.toString('base64') : value));
  await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await clinic.table('patients', type, spelled);
};

describe('a context that was forgotten or misspelt is refused before the first write', () => {
  it.each<[string, object, () => readonly Buffer[], RegExp]>([
    ['forgotten', SPEC, () => rows(3, 1), /without a context.*check --context/],
    [
      'misspelt',
      MISSPELT,
      () => [...rows(5, 1), ...older(4)],
      /p:\{id\}:.*5 begin with.*4 of older data.*correct or delete these rows: [1-5](; [1-5]){4}\./,
    ],
    ['not there', IN_ROW, () => [...rows(5), ...older(4)], /5 open without a context: leave --context out/],
    [
      'moved from another one',
      { ...MISSPELT, toContext: 'q:{id}' },
      () => rows(4, 1),
      /p:\{id\}: or in the context q:/,
    ],
  ])('%s', async (_, spec, values, message) => {
    for (const type of ['bytea', 'text']) {
      await before(values(), type);
      const stored = await clinic.values('patients');
      const error = await rejectionOf(clinic.reencrypt({ ...SPEC, ...spec }));
      expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
      expect(error.message).toMatch(message);
      expect(await clinic.values('patients')).toEqual(stored);
      expect(await clinic.sql("SELECT to_regclass('pazpaz_keys.job') AS job")).toEqual([{ job: null }]);
    }
  });
});

describe('a job begins', () => {
  it.each<[string, object, () => readonly Buffer[], number]>([
    ['where some rows open', IN_ROW, () => [...rows(1, 1), ...rows(6), ...older(2)], 3],
    ['where rows are of older data alone', MISSPELT, () => older(6), 6],
    ['where rows are already moved', { ...IN_ROW, context: '', toContext: 'p:{id}' }, () => rows(4, 1), 4],
    ['where few rows open with nothing', MISSPELT, () => [...rows(2, 1), ...older(4)], 4],
    ['where few do beside much older data', IN_ROW, () => [...rows(4, 100), ...older(40)], 40],
    ['where keys of other rows are gone', MISSPELT, () => rows(4, 1).map((row) => (row.writeUInt8(9), row)), 0],
  ])('%s', async (_, spec, values, reencrypted) => {
    await before(values());
    expect((await clinic.reencrypt({ ...SPEC, ...spec })).totals.reencrypted).toBe(reencrypted);
  });

  it('where the table is empty, and where it has partitions', async () => {
    await before([]);
    expect(await clinic.reencrypt(IN_ROW)).toMatchObject({ isFinished: true });
    await clinic.sql(`CREATE TABLE parts (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
      CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9)`);
    for (const [at, row] of rows(3, 1).entries()) await clinic.sql('INSERT INTO parts VALUES ($1, $2)', [at + 1, row]);
    const parts = { ...IN_ROW, table: 'parts' };
    expect((await rejectionOf(clinic.reencrypt({ ...parts, context: '' }))).code).toBe('INVALID_COLUMN');
    expect((await clinic.reencrypt(parts)).totals.reencrypted).toBe(3);
  });
});
