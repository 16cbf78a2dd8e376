import { setTimeout as sleep } from 'node:timers/promises';
import { RingKeys } from '../../../src/postgres/all-keys.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { reencryptedFrom } from '../../../src/postgres/job/job-control.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { SECRET } from '../../keyring/support/ring-world.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** All that measure durations, so that `Date` alone is replaced. */
const TIMERS = [
  ...(['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'setInterval', 'setTimeout'] as const),
  ...(['clearImmediate', 'clearInterval', 'clearTimeout'] as const),
];

const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };
const contextOf = (id: number) => `patients:${id}:notes`;
const SMALL = { batchRows: 7, rangeRows: 20 };

async function clinicWith(keys: number, rows: number, numberOf: (id: number) => number): Promise<Clinic> {
  const clinic = await Clinic.withKeys(postgres, keys);
  const ids = Array.from({ length: rows }, (_, index) => index + 1);
  await clinic.table(
    'patients',
    'bytea',
    ids.map((id) => clinic.row(`note ${id}`, numberOf(id), contextOf(id))),
  );
  return clinic;
}

async function expectAllUnder(clinic: Clinic, number: number, context = contextOf): Promise<void> {
  for (const [id, row] of await clinic.values('patients')) {
    expect(clinic.open(row as Buffer, number, context(id))).toBe(`note ${id}`);
  }
}

describe('reencrypt', () => {
  it('brings the rows of older keys to the current one, and a second run finds nothing to do (C35)', async () => {
    const clinic = await clinicWith(2, 100, (id) => (id <= 50 ? 1 : 2));

    const first = await clinic.reencrypt(SPEC, SMALL);
    expect(first).toMatchObject({ isFinished: true, keyNumber: 2, ownReencrypted: 50, left: [] });
    expect(first.totals).toMatchObject({ readRows: 100, reencrypted: 50, alreadyCurrent: 50 });
    await expectAllUnder(clinic, 2);
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 100 });

    const before = await clinic.values('patients');
    expect((await clinic.reencrypt(SPEC, SMALL)).totals).toMatchObject({ reencrypted: 0, alreadyCurrent: 100 });
    expect(await clinic.values('patients')).toEqual(before);
  });

  it('refuses without a key that AWS has confirmed, whatever the environment holds, and changes nothing (C05)', async () => {
    const clinic = await clinicWith(1, 10, () => 1);
    const before = await clinic.values('patients');
    clinic.world.cutNetwork();
    const opening = RingKeys.open(clinic.world.source(), SECRET);
    expect((await rejectionOf(opening)).code).toBe('CANNOT_REACH_AWS');
    expect(await clinic.values('patients')).toEqual(before);
  });

  it('writes the current key and never a pending one (C05)', async () => {
    const clinic = await clinicWith(1, 10, () => 0);
    await clinic.world.addKey();
    await clinic.keys.refresh();
    expect((await clinic.reencrypt(SPEC)).keyNumber).toBe(1);
    expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 10 });
  });

  it('refuses while the current key has no number', async () => {
    const clinic = await clinicWith(1, 10, () => 0);
    await clinic.world.unlabel('key-v1', 1);
    await clinic.keys.refresh();
    expect((await rejectionOf(clinic.reencrypt(SPEC))).code).toBe('CURRENT_KEY_UNNUMBERED');
    expect((await clinic.census(SPEC)).unnumbered).toEqual({ 0: 10 });
  });

  it('follows a rotation in its middle, and no row stays under the key from before', async () => {
    const clinic = await clinicWith(2, 100, () => 1);
    let isRotated = false;
    const report = await clinic.reencrypt(SPEC, {
      ...SMALL,
      connections: 1,
      onBatch: ({ readRows }) => {
        if (isRotated || readRows < 50) return;
        isRotated = true;
        void clinic.world.rotate().then(() => {
          clinic.world.clock.sleep(31_000);
        });
      },
    });
    expect(isRotated).toBe(true);
    expect(report).toMatchObject({ isFinished: true, keyNumber: 3 });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 3: 100 });
    await expectAllUnder(clinic, 3);
  });

  it('follows a rotation on all of its connections', async () => {
    const clinic = await clinicWith(2, 300, () => 1);
    let rotating: Promise<void> | undefined;
    const report = await clinic.reencrypt(SPEC, {
      ...SMALL,
      connections: 8,
      onBatch: () => {
        rotating ??= clinic.world.rotate().then(() => {
          clinic.world.clock.sleep(31_000);
        });
      },
    });
    await rotating;
    expect(report).toMatchObject({ isFinished: true, keyNumber: 3 });
    await expectAllUnder(clinic, 3);
  });

  it('ends where another process turns the job back to another key again and again', async () => {
    const clinic = await clinicWith(2, 100, () => 1);
    let turns = 0;
    const onBatch = () => {
      turns += 1;
      void clinic.sql('UPDATE pazpaz_keys.job SET target = 1');
    };
    const error = await rejectionOf(clinic.reencrypt(SPEC, { ...SMALL, connections: 1, onBatch }));
    expect(error).toMatchObject({ code: 'JOB_DIFFERS' });
    expect(error.message).toMatch(/bring the rows to key 1, and this one sees key 2 as current, again and again/);
    expect(turns).toBeGreaterThan(3);
  });

  it('still opens the rows of a key that is forced off the ring meanwhile', async () => {
    const clinic = await clinicWith(3, 100, () => 1);
    let isRetired = false;
    const report = await clinic.reencrypt(SPEC, {
      ...SMALL,
      connections: 1,
      onBatch: () => {
        if (isRetired) return;
        isRetired = true;
        void clinic.world.unlabel('key-v1', 1).then(() => {
          clinic.world.clock.sleep(31_000);
        });
      },
    });
    expect(clinic.keys.ofNumber(toKeyNumber(1))).toBeUndefined();
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 100, left: 0 } });
    await expectAllUnder(clinic, 3);
  });

  it('stops at a batch’s end when asked, and the same command goes on from there', async () => {
    const clinic = await clinicWith(2, 100, () => 1);
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort();
    };
    const stopped = await clinic.reencrypt(SPEC, { ...SMALL, connections: 1, onBatch, signal: stop.signal });
    expect(stopped).toMatchObject({ isFinished: false, ownReencrypted: 7 });
    const rest = await clinic.reencrypt(SPEC, SMALL);
    expect(rest).toMatchObject({ isFinished: true, isResumed: true, ownReencrypted: 93 });
    expect(rest.totals).toMatchObject({ readRows: 100, reencrypted: 100, alreadyCurrent: 0 });
    await expectAllUnder(clinic, 2);
  });

  it('reports a finished job to every process, also where a later one has begun it again at once', async () => {
    const clinic = await clinicWith(2, 40, () => 1);
    const runs = Array.from({ length: 12 }, async (_, place) => {
      await sleep(place * 20);
      return clinic.reencrypt(SPEC, SMALL);
    });
    for (const report of await Promise.all(runs)) expect(report).toMatchObject({ isFinished: true });
    await expectAllUnder(clinic, 2);
  });

  it('lists what it cannot read by key and goes on; NULL and empty stay what they are (C36)', async () => {
    const clinic = await clinicWith(2, 100, () => 1);
    const tampered = clinic.row('note 10', 1, contextOf(10));
    tampered[20] = (tampered[20] ?? 0) ^ 1;
    const plain = Buffer.from('diabetes, written by hand into the column');
    for (const [id, value] of [
      [10, tampered],
      [20, null],
      [30, Buffer.alloc(0)],
      [40, plain],
    ]) {
      await clinic.sql('UPDATE patients SET notes = $2 WHERE id = $1', [id, value]);
    }
    const report = await clinic.reencrypt(SPEC, SMALL);
    expect(report.totals).toMatchObject({ readRows: 100, reencrypted: 96, nulls: 1, empty: 1, left: 2 });
    expect(report.left.map(({ key }) => key)).toEqual([['10'], ['40']]);
    expect(report.left[0]?.code).toBe('TAMPERED_OR_WRONG_CONTEXT');
    const after = await clinic.values('patients');
    expect([10, 20, 30, 40].map((id) => after.get(id))).toEqual([tampered, null, Buffer.alloc(0), plain]);
  });

  it('lists what is left at its end, and no row that was fixed or deleted since', async () => {
    const clinic = await clinicWith(2, 30, () => 1);
    const bad = Buffer.from('by hand');
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id <= 6', [bad]);
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort();
    };
    const begun = await clinic.reencrypt(SPEC, { ...SMALL, connections: 1, onBatch, signal: stop.signal });
    expect(begun).toMatchObject({ isFinished: false, totals: { left: 6 } });
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 1', [clinic.row('note 1', 1, contextOf(1))]);
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 2', [clinic.row('note 2', 2, contextOf(2))]);
    await clinic.sql('DELETE FROM patients WHERE id = 3');
    await clinic.sql('UPDATE patients SET notes = NULL WHERE id = 4');
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 5', [clinic.row('note 5', 1, contextOf(6))]);
    const report = await clinic.reencrypt(SPEC, SMALL);
    expect(report).toMatchObject({ isFinished: true, isResumed: true, totals: { reencrypted: 25, left: 2 } });
    expect(report.left).toEqual([
      { key: ['5'], code: 'TAMPERED_OR_WRONG_CONTEXT' },
      { key: ['6'], code: 'INVALID_CIPHERTEXT' },
    ]);
  });

  it('moves rows to another context, and goes on where both kinds are present (C30)', async () => {
    const clinic = await clinicWith(1, 100, () => 1);
    const moved = await clinic.sql<{ notes: Buffer }>('SELECT notes FROM patients WHERE id = 7');
    const spec = { ...SPEC, toContext: 'persons:{id}:notes' };
    const stop = new AbortController();
    const onBatch = ({ readRows }: { readRows: number }) => {
      if (readRows > 30) stop.abort();
    };
    await clinic.reencrypt(spec, { ...SMALL, connections: 1, onBatch, signal: stop.signal });
    const report = await clinic.reencrypt(spec, SMALL);
    expect(report.totals).toMatchObject({ reencrypted: 100, left: 0 });
    await expectAllUnder(clinic, 1, (id) => `persons:${id}:notes`);
    expect((await clinic.census({ ...SPEC, context: 'persons:{id}:notes' })).unreadable).toBe(0);
    expect((await clinic.census(SPEC)).unreadable).toBe(100);
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 8', [moved[0]?.notes]);
    expect((await clinic.reencrypt(spec)).left).toEqual([{ key: ['8'], code: 'TAMPERED_OR_WRONG_CONTEXT' }]);
  });

  it('refuses an unfinished job that was asked for something else, unless told to start over', async () => {
    const clinic = await clinicWith(1, 100, () => 1);
    const stop = new AbortController();
    stop.abort();
    await clinic.reencrypt({ ...SPEC, toContext: 'a:{id}' }, { ...SMALL, signal: stop.signal });
    const other = { ...SPEC, toContext: 'b:{id}' };
    expect(await rejectionOf(clinic.reencrypt(other))).toMatchObject({
      code: 'JOB_DIFFERS',
      message: expect.stringContaining(
        "was started with --key id --context 'patients:{id}:notes' --to-context 'a:{id}', this one with " +
          "--key id --context 'patients:{id}:notes' --to-context 'b:{id}'.",
      ) as string,
    });
    expect((await clinic.reencrypt(other, { startOver: true })).totals.reencrypted).toBe(100);
  });

  it('leaves a row to anyone who holds a lock on it, and takes it up again once it is free', async () => {
    const clinic = await clinicWith(2, 30, () => 1);
    await clinic.sql('BEGIN');
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 5', [clinic.row('note five', 1, contextOf(5))]);
    const running = clinic.reencrypt(SPEC, SMALL);
    await until(async () => (await clinic.sql('SELECT FROM patients WHERE get_byte(notes, 0) = 2')).length === 29);
    await clinic.sql('COMMIT');
    const report = await running;
    expect(report.totals).toMatchObject({ reencrypted: 30, left: 0 });
    const rows = await clinic.values('patients');
    expect(clinic.open(rows.get(5) as Buffer, 2, contextOf(5))).toBe('note five');
  });

  it('goes on where the server cut its connections', async () => {
    const clinic = await clinicWith(2, 200, () => 1);
    let cuts = 0;
    const onBatch = () => {
      cuts += 1;
      if (cuts % 5 !== 0) return;
      void clinic.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pazpaz-keys' AND query ILIKE '%batch%'",
      );
    };
    const report = await clinic.reencrypt(SPEC, { ...SMALL, onBatch });
    expect(report).toMatchObject({ isFinished: true });
    expect(report.totals).toMatchObject({ readRows: 200, reencrypted: 200 });
    await expectAllUnder(clinic, 2);
  });

  it('goes on where the server cut the connection that looks at the table, first and after it was altered', async () => {
    const clinic = await clinicWith(2, 40, () => 1);
    const looks = jest.spyOn(Connection.prototype, 'tableNamed');
    let cuts = 0;
    const cutNext = () =>
      looks.mockImplementationOnce(async function (this: Connection) {
        cuts += 1;
        await this.rows('SELECT pg_terminate_backend(pg_backend_pid())');
        return undefined;
      });
    try {
      let batches = 0;
      const onBatch = () => {
        batches += 1;
        if (batches !== 1) return;
        cutNext();
        void clinic.sql('ALTER TABLE patients ADD more int');
      };
      cutNext();
      const report = await clinic.reencrypt(SPEC, { ...SMALL, connections: 1, onBatch });
      expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 40 } });
      expect(cuts).toBe(2);
    } finally {
      looks.mockRestore();
    }
  });

  it('writes nothing by a key that AWS has not confirmed for five minutes', async () => {
    const clinic = await clinicWith(2, 30, () => 1);
    clinic.world.cutNetwork();
    clinic.world.clock.sleep(301_000);
    expect((await rejectionOf(clinic.reencrypt(SPEC))).code).toBe('CANNOT_REACH_AWS');
    expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 30 });
  });

  it('does several columns, and checks all of them before it writes to the first', async () => {
    const clinic = await clinicWith(2, 10, () => 1);
    const broken = { table: 'patients', column: 'note' };
    expect((await rejectionOf(reencrypt(postgres, [SPEC, broken], clinic.keys))).code).toBe('INVALID_COLUMN');
    expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 10 });
  });
});

describe('when rows were re-encrypted from a key', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is kept by the clock of the database where that of a process is behind, and never set back', async () => {
    const clinic = await clinicWith(3, 6, (id) => (id % 2) + 1);
    const now = async () => (await clinic.sql<{ now: Date }>('SELECT clock_timestamp() AS now'))[0]?.now.getTime() ?? 0;
    const before = await now();
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort();
    };
    await clinic.reencrypt(SPEC, { batchRows: 2, connections: 1, signal: stop.signal, onBatch });
    await clinic.sql(`UPDATE pazpaz_keys.range SET sources = sources || '{"1": "2999-01-02T03:04:05.000Z"}'`);
    jest.useFakeTimers({ now: before - 48 * 3_600_000, doNotFake: TIMERS });
    await clinic.reencrypt(SPEC, { batchRows: 2, connections: 1 });
    jest.useRealTimers();
    const times = await reencryptedFrom(postgres);
    expect(times.get(1)).toEqual(new Date('2999-01-02T03:04:05.000Z'));
    expect(times.get(2)?.getTime()).toBeGreaterThanOrEqual(before);
    expect(times.get(2)?.getTime()).toBeLessThanOrEqual(await now());
  });

  it('is kept by the clock of the ring where that is ahead, as that of a local service may be', async () => {
    const clinic = await clinicWith(2, 2, () => 1);
    await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE');
    const ahead = new Date(Date.now() + 25 * 3_600_000);
    await clinic.reencrypt(SPEC, { now: () => ahead });
    expect((await reencryptedFrom(postgres)).get(1)).toEqual(ahead);
  });
});
