import pg from 'pg';
import { census } from '../../../src/postgres/census.ts';
import { checkedColumns } from '../../../src/postgres/job/checked-columns.ts';
import { requireOwnCode } from '../../../src/postgres/catalog/foreign-code.ts';
import { requireOnlyTables } from '../../../src/postgres/catalog/table-locks.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { whyWait } from '../../../src/postgres/job/brake-conditions.ts';
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

describe('looks at the catalog do not wait for the lock of a partition', () => {
  const open: Connection[] = [];
  const session = async () => {
    const opened = await Connection.open(postgres);
    open.push(opened);
    return opened;
  };
  afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));

  const idOf = async (table: string) => {
    const [found] = await clinic.sql<{ id: string }>(`SELECT '${table}'::regclass::oid::text AS id`);
    return found?.id ?? '';
  };

  it('that another transaction has, where the brakes of a job are shown', async () => {
    const brakes = {
      ...{ maxRowsPerSecond: null, batchMilliseconds: 500, minFreeDiskMegabytes: null, maxHeldWalMegabytes: null },
      ...{ maxLagSeconds: null, waitsForVacuum: true, waitsForLocks: true, pauseWhile: null, isPaused: false },
    };
    const column = { tableId: await idOf('others'), table: 'others' };
    expect(await whyWait(await session(), column, brakes)).toBeUndefined();
  });

  it('that another transaction waits for, while a reader holds it', async () => {
    await clinic.sql(`CREATE TABLE counted (id int, notes bytea) PARTITION BY RANGE (id);
      CREATE TABLE counted_part PARTITION OF counted FOR VALUES FROM (0) TO (9)`);
    const tableId = await idOf('counted');
    const [reader, watch] = [await session(), await session()];
    const change = new pg.Client({ connectionString: postgres.url });
    await change.connect();
    let changed: Promise<unknown> = Promise.resolve();
    await reader.transaction(async () => {
      await reader.rows('SELECT FROM public.counted');
      changed = change.query('ALTER TABLE counted_part ADD CHECK (id >= 0)');
      for (let waiting = 0; waiting === 0;)
        waiting = (await clinic.sql("SELECT FROM pg_locks WHERE relation = 'counted_part'::regclass AND NOT granted"))
          .length;
      await requireOwnCode(watch, tableId, { table: 'counted', column: 'notes' });
      await requireOnlyTables(watch, [reader], [{ table: 'public.counted', tableId }]);
    });
    await changed;
    await change.end();
  });
});
