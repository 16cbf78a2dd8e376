import { readFileSync } from 'node:fs';
import pg from 'pg';
import { FULL_SPEED, reserveRows, type Brakes } from '../../../src/postgres/job/brakes.ts';
import type { ReencryptReport } from '../../../src/postgres/job/reencrypt.ts';
import { requireQuery, whyWait } from '../../../src/postgres/job/brake-conditions.ts';
import { batchSize } from '../../../src/postgres/job/pacer.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { columnOf } from '../support/column-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { PacedClock } from './support/paced-clock.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';

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

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };
const ROWS = 60;

beforeEach(async () => {
  const ids = Array.from({ length: ROWS }, (_, index) => index + 1);
  await clinic.table('patients', 'bytea', []);
  await clinic.sql('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
    ids,
    ids.map((id) => clinic.row(`note ${id}`, 1, `p:${id}`)),
  ]);
});

/** The final check may wait, too: a commit of the other connection is seen before the server has given back its locks. */
const OTHER_BATCH = 'transactions that have written to ';

/** Re-encrypts with one brake; `release` is done at the first wait of a second. */
async function braked(brake: Partial<Brakes>, release: () => Promise<unknown>) {
  const waits = new Set<string>();
  let isReleased = false;
  const clock = new PacedClock(async () => {
    if (isReleased) return;
    isReleased = true;
    // A census would wait for the transaction that the brake waits for.
    for (const [id, row] of await clinic.values('patients')) {
      expect(clinic.open(row as Buffer, 1, `p:${id}`)).toBe(`note ${id}`);
    }
    await release();
  });
  const report = await clinic.reencrypt(SPEC, {
    brakes: { ...FULL_SPEED, ...brake },
    clock,
    onBatch: ({ waitsFor }) => {
      if (waitsFor !== undefined && !waitsFor.startsWith(OTHER_BATCH)) waits.add(waitsFor);
    },
  });
  return { report, waits: [...waits].join('\n') };
}

/** A job with these brakes whose only process stops after its first batch. */
async function begun(brakes: Brakes): Promise<void> {
  const stop = new AbortController();
  const onBatch = () => {
    stop.abort();
  };
  await clinic.reencrypt(SPEC, { brakes, batchRows: 5, connections: 1, signal: stop.signal, onBatch });
}

function expectWaited(report: ReencryptReport, brake: string): void {
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS } });
  expect(report.waited).toEqual([{ brake, seconds: expect.any(Number) as number }]);
}

describe('re-encryption waits, says for what, and continues by itself', () => {
  it('while the table is vacuumed', async () => {
    await other.query('BEGIN; LOCK TABLE patients IN SHARE UPDATE EXCLUSIVE MODE');
    const { report, waits } = await braked({ waitsForVacuum: true }, () => other.query('COMMIT'));
    expectWaited(report, 'vacuum');
    expect(waits).toBe('VACUUM or other maintenance of public.patients');
  });

  it.each([
    ['a row', 'SELECT FROM patients WHERE id = 7 FOR UPDATE', 'UPDATE patients SET notes = notes WHERE id = 7'],
    ['the table', 'LOCK TABLE patients IN ROW EXCLUSIVE MODE', 'LOCK TABLE patients IN SHARE MODE'],
  ])('while a session waits for a lock on %s', async (_, held, wanted) => {
    await other.query(`BEGIN; UPDATE patients SET notes = notes WHERE id = 8; ${held}`);
    const waiting = new pg.Client({ connectionString: postgres.url });
    await waiting.connect();
    const waits = waiting.query(`BEGIN; ${wanted}; COMMIT`);
    // The brake is not for waits that are shorter than a quarter of a second.
    const longWaits =
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND clock_timestamp() - state_change > interval '0.3 seconds'";
    await until(async () => (await clinic.sql(longWaits)).length > 0);
    try {
      const ran = await braked({ waitsForLocks: true }, async () => {
        await other.query('COMMIT');
        await waits;
      });
      expectWaited(ran.report, 'lock-waits');
      expect(ran.waits).toBe('1 session wait for locks on public.patients');
    } finally {
      // After a failure the next test would wait for it.
      await other.query('ROLLBACK');
      await waiting.end();
    }
  });

  it('while a slot holds back the log', async () => {
    await clinic.sql("SELECT pg_create_physical_replication_slot('forgotten', true)");
    await clinic.sql('CREATE TABLE much AS SELECT repeat(md5(i::text), 40) FROM generate_series(1, 3000) i');
    const { report, waits } = await braked({ maxHeldWalMegabytes: 1 }, () =>
      clinic.sql("SELECT pg_drop_replication_slot('forgotten')"),
    );
    expectWaited(report, 'held-wal');
    // What is measured changes while it waits.
    for (const wait of waits.split('\n')) {
      expect(wait).toMatch(/^forgotten holds \d+ MB of write-ahead log, at most 1 MB$/);
    }
  });

  it('but not for a slot that was invalidated, which keeps its position', async () => {
    if ((await majorVersion(postgres)) < 18) return;
    await clinic.sql("SELECT pg_create_physical_replication_slot('former', true)");
    await clinic.sql("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'");
    await clinic.sql('SELECT pg_reload_conf()');
    await until(async () => {
      await clinic.sql('CHECKPOINT');
      const [slot] = await clinic.sql<{ is: boolean }>(
        'SELECT invalidation_reason IS NOT NULL AS is FROM pg_replication_slots',
      );
      return slot?.is === true;
    });
    await clinic.sql('CREATE TABLE more AS SELECT repeat(md5(i::text), 40) FROM generate_series(1, 3000) i');
    const session = await Connection.open(postgres);
    const column = await columnOf(postgres, SPEC);
    const brakes = { ...FULL_SPEED, maxHeldWalMegabytes: 1, isPaused: false };
    expect(await whyWait(session, column, brakes)).toBeUndefined();
    await session.close();
    await clinic.sql("SELECT pg_drop_replication_slot('former')");
    await clinic.sql('ALTER SYSTEM RESET idle_replication_slot_timeout');
    await clinic.sql('SELECT pg_reload_conf()');
  });

  it('while the disk of a server on this machine is nearly full', async () => {
    const { report, waits } = await braked({ minFreeDiskMegabytes: 2_000_000_000 }, () =>
      clinic.sql('UPDATE pazpaz_keys.brake SET min_free_disk_megabytes = NULL'),
    );
    expectWaited(report, 'free-disk');
    for (const wait of waits.split('\n')) {
      expect(wait).toMatch(/^\d+ MB of the server's disk are free, at least 2000000000 MB$/);
    }
  });

  it('while a query of the operator says so', async () => {
    await clinic.sql('CREATE TABLE busy AS SELECT 1 AS load');
    const { report, waits } = await braked({ pauseWhile: 'SELECT load FROM busy; ' }, () =>
      clinic.sql('UPDATE busy SET load = 0'),
    );
    expectWaited(report, 'pause-while');
    expect(waits).toBe('the query of --pause-while says "1"');
  });

  it.each([
    ["interval '0'", "interval '1 minute'"],
    ['0::money', '5::money'],
    ["'off'", "'on'"],
    ['0.00', '0.01'],
    ["time '00:00'", "date '2026-01-01'"],
    ["'{}'::int[]", "'{0,1}'::int[]"],
  ])('by what it says: %s holds no job, %s does', async (no, yes) => {
    const session = await Connection.open(postgres);
    try {
      const column = await columnOf(postgres, SPEC);
      const found = [];
      for (const value of [no, yes]) {
        const brakes = { ...FULL_SPEED, isPaused: false, pauseWhile: `SELECT ${value}` };
        found.push((await whyWait(session, column, brakes))?.brake);
      }
      expect(found).toEqual([undefined, 'pause-while']);
    } finally {
      await session.close();
    }
  });

  it('by the query that the page prints', async () => {
    const page = readFileSync('docs/reencrypt.md', 'utf8');
    const [, query = ''] = /`(SELECT [^`]*'Europe\/Berlin'[^`]*)`/.exec(page) ?? [];
    const session = await Connection.open(postgres);
    await expect(requireQuery(session, query)).resolves.toBeUndefined();
    await session.close();
  });

  it('while that query fails, and refuses one that cannot be run from the start', async () => {
    await clinic.sql('CREATE TABLE load AS SELECT false AS high');
    const first = await braked({ pauseWhile: 'SELECT high FROM load' }, () => Promise.resolve());
    expect(first.report).toMatchObject({ isFinished: true, waited: [] });
    await clinic.sql('DROP TABLE load');
    const error = await rejectionOf(clinic.reencrypt(SPEC, { brakes: { pauseWhile: 'SELECT high FROM load' } }));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toContain('relation "load" does not exist. It has to be one SELECT');
  });

  it.each(['DELETE FROM patients RETURNING 1', 'SELECT 1) x; DELETE FROM patients; SELECT (1'])(
    'and never changes anything by that query: %s',
    async (pauseWhile) => {
      await rejectionOf(clinic.reencrypt(SPEC, { brakes: { pauseWhile } }));
      expect((await clinic.census(SPEC)).rows).toBe(ROWS);
    },
  );

  it('by the query of another command only while no role but ours could have set it', async () => {
    const member = 'a member of pg_write_all_data';
    if ((await majorVersion(postgres)) < 14) return;
    await begun({ ...FULL_SPEED, pauseWhile: 'SELECT false' });
    const ran = async (own: Partial<Brakes>) => {
      const waits = new Set<string | undefined>();
      const clock = new PacedClock(() => clinic.sql('UPDATE pazpaz_keys.brake SET pause_while = NULL'));
      const seen = { onBatch: ({ waitsFor }: { waitsFor?: string | undefined }) => waits.add(waitsFor) };
      expect(await clinic.reencrypt(SPEC, { brakes: own, clock, ...seen })).toMatchObject({ isFinished: true });
      return [...waits].join('\n');
    };
    await clinic.sql('CREATE ROLE writer LOGIN; GRANT pg_write_all_data TO writer');
    try {
      await clinic.sql("SET ROLE writer; UPDATE pazpaz_keys.brake SET pause_while = 'SELECT true'; RESET ROLE");
      expect(await ran({})).toMatch(
        new RegExp(`query of --pause-while is not run: writer, ${member}, could have set it.* or revoke this right`),
      );
      expect(await ran({ pauseWhile: 'SELECT 1' })).toContain('the query of --pause-while says "1"');
    } finally {
      await clinic.sql('DROP ROLE writer');
    }
  });

  it('and says at once that other processes of the job that it joins do not ask the query that it brings', async () => {
    if ((await majorVersion(postgres)) < 14) return;
    await begun({ ...FULL_SPEED, pauseWhile: 'SELECT 0' });
    const joined = async (pauseWhile: string) => {
      const told: string[] = [];
      const stop = new AbortController();
      const onQueryNotAsked = (why: string) => {
        told.push(why);
        expect(stop.signal.aborted).toBe(false);
      };
      const onBatch = () => {
        stop.abort();
      };
      const { signal } = stop;
      await clinic.reencrypt(SPEC, { brakes: { pauseWhile }, batchRows: 5, signal, onBatch, onQueryNotAsked });
      return told;
    };
    await clinic.sql('CREATE ROLE writer LOGIN IN ROLE pg_write_all_data');
    try {
      expect(await joined('SELECT 0')).toEqual([]);
      expect(await joined('SELECT false')).toEqual([expect.stringContaining('writer, a member of pg_write_all_data')]);
    } finally {
      await clinic.sql('DROP ROLE writer');
    }
    expect(await joined('SELECT 1 WHERE false')).toEqual([]);
  });

  it('while it is paused by another session', async () => {
    const brakes = FULL_SPEED;
    await begun(brakes);
    await clinic.sql('UPDATE pazpaz_keys.brake SET is_paused = true');
    const waits: (string | undefined)[] = [];
    const clock = new PacedClock(() => clinic.sql('UPDATE pazpaz_keys.brake SET is_paused = false'));
    const report = await clinic.reencrypt(SPEC, {
      clock,
      connections: 1,
      onBatch: ({ waitsFor }) => waits.push(waitsFor),
    });
    expect(report).toMatchObject({ isFinished: true, isResumed: true, waited: [{ brake: 'paused', seconds: 1 }] });
    expect(waits).toContain('paused; reencrypt --resume continues it');
  });
});

describe('the rate', () => {
  it('is exact over all workers and processes', async () => {
    const brakes = { ...FULL_SPEED, maxRowsPerSecond: 40 };
    const began = Date.now();
    const runs = [1, 2].map(() => clinic.reencrypt(SPEC, { brakes, batchRows: 3, rangeRows: 10 }));
    for (const report of await Promise.all(runs)) expect(report.totals).toMatchObject({ readRows: ROWS });
    const seconds = (Date.now() - began) / 1000;
    expect(ROWS / seconds).toBeLessThanOrEqual(41);
  });

  it('is reserved one after the other, and time that no one used is lost but for half of a second', async () => {
    await clinic.reencrypt(SPEC, { brakes: { ...FULL_SPEED, maxRowsPerSecond: 2000 } });
    const [job] = await clinic.sql<{ id: string }>(
      'SELECT id FROM pazpaz_keys.job WHERE finished_at IS NOT NULL ORDER BY started_at DESC',
    );
    const session = await Connection.open(postgres);
    try {
      await clinic.sql("UPDATE pazpaz_keys.brake SET next_free_at = now() - interval '1 hour'");
      const waits: number[] = [];
      const began = performance.now();
      for (let n = 0; n < 20; n += 1) waits.push(await reserveRows(session, { id: job?.id ?? '' }, 200));
      // 4,000 rows take two seconds, half of one is given, and the time of the calls themselves has passed.
      expect(waits.at(-1)).toBeGreaterThan(1490 - (performance.now() - began));
      expect(waits.at(-1)).toBeLessThanOrEqual(1500);
    } finally {
      await session.close();
    }
  });

  it('and the other brakes stay what they are where a second process is started without a word', async () => {
    const newest =
      'SELECT max_rows_per_second, waits_for_vacuum FROM pazpaz_keys.brake JOIN pazpaz_keys.job ON id = job_id ORDER BY started_at DESC';
    await begun({ ...FULL_SPEED, maxRowsPerSecond: 100_000 });
    await clinic.reencrypt(SPEC, {});
    const [found] = await clinic.sql(newest);
    expect(found).toEqual({ max_rows_per_second: 100_000, waits_for_vacuum: false });
    await clinic.reencrypt(SPEC, {});
    const [again] = await clinic.sql(newest);
    expect(again).toEqual({ max_rows_per_second: 5000, waits_for_vacuum: true });
  });
});

describe('the size of a batch follows its time', () => {
  it.each([
    ['grows by a half where it is fast', { rows: 200, isFull: true, milliseconds: 10 }, 300],
    ['grows to what fits', { rows: 200, isFull: true, milliseconds: 80 }, 250],
    ['stays where it was not full', { rows: 20, isFull: false, milliseconds: 10 }, 200],
    ['shrinks to a half where it is slow', { rows: 200, isFull: true, milliseconds: 5000 }, 100],
    ['shrinks to what fits', { rows: 200, isFull: true, milliseconds: 125 }, 160],
    ['stays where it fits', { rows: 200, isFull: true, milliseconds: 100 }, 200],
  ])('%s', (_, batch, expected) => {
    expect(batchSize(batch, 200, 100)).toBe(expected);
  });

  it('and never becomes less than ten rows', () => {
    expect(batchSize({ rows: 12, isFull: true, milliseconds: 60_000 }, 12, 100)).toBe(10);
  });
});
