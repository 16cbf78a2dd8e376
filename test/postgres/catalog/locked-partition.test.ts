import pg from 'pg';
import { census } from '../../../src/postgres/census.ts';
import { checkedColumns } from '../../../src/postgres/job/checked-columns.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
let other: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  await clinic.table('patients', 'bytea', [clinic.row('x', 1)]);
  await clinic.sql(`CREATE TABLE others (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF others FOR VALUES FROM (0) TO (9)`);
  other = new pg.Client({ connectionString: postgres.url });
  await other.connect();
  await other.query('BEGIN; LOCK TABLE part IN ACCESS EXCLUSIVE MODE');
});
afterAll(async () => {
  await other.end();
  await postgres.stop();
});

const SPEC = { table: 'patients', column: 'notes' };

describe('a partition that another transaction keeps locked', () => {
  it('of a listed table ends a count with its words', async () => {
    const error = await rejectionOf(
      census(postgres, [{ ...SPEC, table: 'others' }], clinic.keys, { writersTimeout: 1000 }),
    );
    expect(error.message).toContain('keeps a table locked');
  });

  it('of a listed table ends a re-encryption before it begins', async () => {
    const specs = [{ ...SPEC, table: 'others' }];
    const error = await rejectionOf(checkedColumns(postgres, specs, clinic.keys, undefined, { patience: 500 }));
    expect(error.message).toContain('keeps others locked, or a partition of it');
  });

  it('of another table does not keep a count of this one', async () => {
    expect((await clinic.census(SPEC)).rows).toBe(1);
    expect(await clinic.reencrypt(SPEC)).toMatchObject({ isFinished: true });
    expect((await findColumns(postgres, clinic.keys)).skipped.map(({ table }) => table)).toEqual(['public.others']);
  });
});
