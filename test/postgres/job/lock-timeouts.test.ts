import pg from 'pg';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import type { ReencryptOptions } from '../../../src/postgres/job/reencrypt.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';
import { PacedClock } from './support/paced-clock.ts';

let postgres: Postgres;
let clinic: Clinic;
let other: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
  other = new pg.Client({ connectionString: postgres.url });
  await other.connect();
});
afterAll(async () => {
  await other.end();
  await postgres.stop();
});

afterEach(() => other.query('ROLLBACK'));

const SPEC = { table: 'patients', column: 'notes' };
const ROWS = 12;

beforeEach(async () => {
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: ROWS }, (_, index) => clinic.row(`${index}`, 1)),
  );
  await clinic.sql('DROP TABLE IF EXISTS history; CREATE TABLE history (id int)');
});

/** A trigger of the table that does something for each row. */
async function trigger(does: string, when = 'TRIGGER audit AFTER'): Promise<void> {
  await clinic.sql(
    `CREATE OR REPLACE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${does}; RETURN NULL; END $$`,
  );
  const deferred = when.startsWith('CONSTRAINT') ? 'DEFERRABLE INITIALLY DEFERRED' : '';
  await clinic.sql(`CREATE ${when} UPDATE ON patients ${deferred} FOR EACH ROW EXECUTE FUNCTION audit()`);
}

const INSERT = 'INSERT INTO public.history VALUES (new.id)';
const OF_TRIGGER = 'a lock that audit of public.patients needs and another session holds';

/** After a lock that was waited for in vain for 50 milliseconds. */
const PAUSE = 100;

/** Re-encrypts, and does `onWait` in the pause after a lock that did not come. */
async function waiting(onWait: (milliseconds: number) => Promise<unknown>, options: ReencryptOptions = {}) {
  const waits = new Set<string>();
  const clock = new PacedClock(onWait);
  const report = await clinic.reencrypt(SPEC, {
    ...{ triggers: 'fire', longestWait: 50, brakes: FULL_SPEED, connections: 1, batchRows: 5, clock },
    onBatch: ({ waitsFor }) => {
      if (waitsFor !== undefined) waits.add(waitsFor);
    },
    ...options,
  });
  return { report, waits: [...waits] };
}

describe('a batch whose trigger waits for a lock is undone, and tried again until the lock comes', () => {
  it.each([
    ['while rows are written', INSERT, undefined],
    ['after them', INSERT, 'CONSTRAINT TRIGGER audit AFTER'],
    ['at the commit', `SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.queue VALUES (new.id)`, undefined],
    ['in a statement for one row', `IF new.id = 7 THEN ${INSERT}; END IF`, undefined],
  ])('%s', async (_, does, when) => {
    await clinic.sql(`DROP TABLE IF EXISTS queue; CREATE TABLE queue (id int);
      CREATE OR REPLACE FUNCTION enqueue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.id > 0 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.queue VALUES (-new.id); ELSE INSERT INTO public.history VALUES (-new.id); END IF;
        RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER enqueue AFTER INSERT ON queue INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION enqueue()`);
    await trigger(does, when);
    await other.query('BEGIN; LOCK TABLE history IN SHARE MODE');
    let tries = 0;
    const { report, waits } = await waiting(async () => {
      tries += 1;
      // Nothing of the batch is left, and nothing is locked.
      await clinic.sql('SELECT FROM patients WHERE id <= 5 FOR UPDATE NOWAIT');
      if (tries === 3) await other.query('COMMIT');
    });
    expect(waits).toEqual([OF_TRIGGER]);
    expect(tries).toBe(3);
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS, left: 0 }, left: [] });
    expect(report.waited).toEqual([{ brake: 'lock-timeout', seconds: expect.any(Number) as number }]);
    const [written] = await clinic.sql('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM history');
    const expected = does.startsWith('IF') ? 1 : ROWS;
    expect(written).toEqual({ rows: expected, ids: expected });
  });
});

it.each([
  ['a batch', 1],
  ['a range is cut', 2],
])('a lock on the table itself is waited for in the same way before %s', async (_, sleep) => {
  let slept = 0;
  const { report, waits } = await waiting(
    (milliseconds) => {
      if (milliseconds === PAUSE) return other.query('COMMIT');
      slept += 1;
      return slept === sleep ? other.query('BEGIN; LOCK TABLE patients') : Promise.resolve();
    },
    { brakes: { ...FULL_SPEED, maxRowsPerSecond: 5 }, rangeRows: 5 },
  );
  expect(waits).toEqual(['a lock on public.patients, which another session holds']);
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS, left: 0 } });
});

it('a job that waits for a lock stops when it is asked to', async () => {
  await trigger(INSERT);
  await other.query('BEGIN; LOCK TABLE history IN SHARE MODE');
  const stop = new AbortController();
  const onWait = () => {
    stop.abort();
    return Promise.resolve();
  };
  const { report } = await waiting(onWait, { signal: stop.signal });
  await other.query('COMMIT');
  expect(report).toMatchObject({ isFinished: false, totals: { reencrypted: 0 } });
  expect((await clinic.reencrypt(SPEC, { triggers: 'fire' })).totals).toMatchObject({ reencrypted: ROWS, left: 0 });
});

it('two connections whose triggers keep locks of the session do not wait for each other for ever', async () => {
  await trigger('PERFORM pg_advisory_lock(new.id % 2)');
  const report = await clinic.reencrypt(SPEC, {
    ...{ triggers: 'fire', longestWait: 50, batchRows: 2, rangeRows: 4, brakes: FULL_SPEED },
  });
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS, left: 0 } });
});

it('a row whose trigger gets no lock, and does not wait for it, is tried again', async () => {
  await trigger(`IF new.id = 7 THEN LOCK TABLE public.history NOWAIT; END IF`);
  await other.query('BEGIN; LOCK TABLE history');
  const running = clinic.reencrypt(SPEC, { triggers: 'fire' });
  await until(
    async () => (await clinic.sql('SELECT FROM pazpaz_keys.range WHERE tries > 0').catch(() => [])).length > 0,
  );
  await other.query('COMMIT');
  expect(await running).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS, left: 0 } });
});
