import pg from 'pg';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import { controlJobs } from '../../../src/postgres/job/job-control.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/* A final check reads the whole table in one snapshot: brakes hold it, too, and it does not keep the snapshot for long. */

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  await clinic.sql('CREATE TABLE switch (is_on boolean)');
});
afterAll(() => postgres.stop());

beforeEach(async () => {
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: 200 }, (_, id) => clinic.row(`note ${id}`, 1)),
  );
  await clinic.sql('DELETE FROM switch; INSERT INTO switch VALUES (true)');
});

const OTHER_TRANSACTION = `FROM pg_stat_activity
  WHERE application_name = 'pazpaz-keys' AND state = 'idle in transaction' AND pid <> pg_backend_pid()`;

/** Holds what has a transaction open beside the session that asks: the one connection of the job in its final check. */
const HOLDS_CHECK = `SELECT is_on AND EXISTS (SELECT ${OTHER_TRANSACTION}) FROM switch`;

/** `onHeld` gets the number of each second that passes while the check is held. */
async function checked(onHeld: (second: number) => Promise<unknown>) {
  let now = 0;
  let seconds = 0;
  const waits = new Set<string | undefined>();
  const report = await clinic.reencrypt(
    { table: 'patients', column: 'notes' },
    {
      ...{ brakes: { ...FULL_SPEED, pauseWhile: HOLDS_CHECK }, connections: 1, rangeBytes: 8192 },
      clock: {
        // Each look at the brakes is due.
        now: () => (now += 1000),
        sleep: async () => {
          await onHeld((seconds += 1));
        },
      },
      onBatch: ({ waitsFor }) => waits.add(waitsFor),
    },
  );
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 200 } });
  expect(report.waited[0]).toMatchObject({ brake: 'pause-while' });
  expect([...waits].join()).toContain('the query of --pause-while says');
}

const release = () => clinic.sql('UPDATE switch SET is_on = false');

async function beginOfCheck(): Promise<string> {
  const [found] = await clinic.sql<{ at: string }>(`SELECT xact_start::text AS at ${OTHER_TRANSACTION}`);
  return found?.at ?? '';
}

it('waits in its snapshot for a brake that is soon released', async () => {
  const begun = new Set<string>();
  await checked(async (second) => {
    begun.add(await beginOfCheck());
    if (second === 5) await release();
  });
  expect(begun.size).toBe(1);
});

it('releases its snapshot after half a minute, and begins again', async () => {
  const begun = new Set<string>();
  await checked(async (second) => {
    begun.add(await beginOfCheck());
    if (second === 35) await release();
  });
  expect(begun.size).toBe(2);
});

it('is not held by maintenance of the table, and --show does not say so', async () => {
  const views: unknown[] = [];
  let isFinished = false;
  const other = new pg.Client({ connectionString: postgres.url });
  await other.connect();
  await checked(async (second) => {
    if (second === 3) {
      // The check is over, and the job waits before it looks for more.
      isFinished = (await clinic.sql('SELECT FROM pazpaz_keys.job WHERE finished_at IS NULL')).length === 0;
      await other.query('COMMIT');
    }
    if (second > 1) return;
    await release();
    await other.query('BEGIN; LOCK TABLE patients IN SHARE UPDATE EXCLUSIVE MODE');
    await clinic.sql('UPDATE pazpaz_keys.brake SET waits_for_vacuum = true');
    views.push(...(await controlJobs({ url: postgres.url }, undefined, {})).jobs);
  });
  await other.end();
  expect(views).toMatchObject([{ waitsFor: undefined }]);
  expect(isFinished).toBe(true);
});
