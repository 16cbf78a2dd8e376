import pg from 'pg';
import { Clinic, startPostgres } from './support/clinic.ts';
import type { Postgres } from './support/postgres.ts';

/** Rows that are looked up by their keys, one by one: those that another transaction held, and those that a check found. */

let postgres: Postgres;
let clinic: Clinic;
let application: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  application = new pg.Client({ connectionString: postgres.url });
  await application.connect();
});
afterEach(() => application.query('ROLLBACK'));
afterAll(async () => {
  await application.end();
  await postgres.stop();
});

const SPEC = { table: 'visits', column: 'notes', context: 'v:{id}:{part}' };

const insert = (id: number, part: string) =>
  clinic.sql('INSERT INTO visits VALUES ($1, $2, $3)', [id, part, clinic.row('x', 1, `v:${id}:${part}`)]);

describe('a row whose key has several columns', () => {
  beforeEach(async () => {
    await clinic.sql('DROP TABLE IF EXISTS visits');
    await clinic.sql('CREATE TABLE visits (id int, part text, notes bytea, PRIMARY KEY (id, part))');
    for (const part of ['a', "b'b"]) for (const id of [1, 2]) await insert(id, part);
  });

  test('is tried again until the other transaction is over', async () => {
    await application.query("BEGIN; SELECT FROM visits WHERE id = 1 AND part = 'a' FOR UPDATE");
    let batches = 0;
    const onBatch = () => {
      batches += 1;
      if (batches === 3) void application.query('COMMIT');
    };
    const report = await clinic.reencrypt(SPEC, { connections: 1, onBatch });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 4, left: 0 } });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 4 });
  });

  test('is brought where only the final check has found it', async () => {
    let late: Promise<unknown> | undefined;
    const report = await clinic.reencrypt(SPEC, {
      batchRows: 2,
      onBatch: () => {
        late ??= insert(0, 'late');
      },
    });
    await late;
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 5, left: 0 } });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 5 });
  });
});
