import pg from 'pg';
import type { ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { beginBrakes } from '../../../src/postgres/job/brakes.ts';
import { lastReencryptions, openJob, retargetJob } from '../../../src/postgres/job/job.ts';
import { workBatch } from '../../../src/postgres/job/batch.ts';
import { checkedColumns } from '../../../src/postgres/job/checked-columns.ts';
import { columnOf } from '../support/column-of.ts';
import { planRows } from '../../../src/postgres/job/plan-rows.ts';
import { claimRange, cutRange, passRows, recordBatch } from '../../../src/postgres/job/ranges.ts';
import { readBatch } from '../../../src/postgres/read-rows.ts';
import { writeRows } from '../../../src/postgres/job/write-rows.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { until } from '../../support/until.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
let application: pg.Client;
const sessions: Connection[] = [];
beforeAll(async () => {
  postgres = await startPostgres();
  application = new pg.Client({ connectionString: postgres.url });
  await application.connect();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterEach(async () => {
  await application.query('ROLLBACK');
  for (const session of sessions.splice(0)) await session.close();
});
afterAll(async () => {
  await application.end();
  await postgres.stop();
});

const SPEC = { table: 'patients', column: 'notes' };
const LIMITS = { rows: 100, bytes: 1_000_000 };

async function open(): Promise<Connection> {
  const session = await Connection.open(postgres);
  sessions.push(session);
  return session;
}

/** A batch worker at its start, as `reencrypt` would have it. */
async function startedWorker(spec: ColumnSpec, limits = LIMITS) {
  const session = await open();
  const [checked] = await checkedColumns(postgres, [spec], clinic.keys, undefined);
  if (checked === undefined) throw new Error('no column was looked up');
  const { column } = checked;
  const job = await openJob(session, column, { target: 2, startOver: true, brakes: {} });
  return { session, column, checked, job, keys: clinic.keys, limits };
}

const isOneWaiting = async () =>
  (await clinic.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()")).length >
  0;

describe('between reading a row and writing it', () => {
  it.each([
    ['text', 'mrn', "'m2'"],
    ['numeric', 'id', '1.00'],
  ])('a change of its context alone is a change: a %s column %s', async (type, name, changed) => {
    await clinic.sql('DROP TABLE IF EXISTS patients');
    await clinic.sql(`CREATE TABLE patients (id numeric PRIMARY KEY, mrn text, notes bytea)`);
    await clinic.sql('INSERT INTO patients VALUES (1, $1, $2)', ['m1', oldBox('x', { key: clinic.world.keyOf(1) })]);
    const session = await open();
    const column = await columnOf(postgres, { ...SPEC, context: `p:{${name}}` });
    const rows = await readBatch(session, column, { after: undefined, upTo: undefined }, LIMITS);
    const { changes } = planRows(column, rows, clinic.keys, clinic.keys.requireTarget());

    await clinic.sql(`UPDATE patients SET ${name} = ${changed}::${type}`);

    expect(await writeRows(session, column, changes)).toMatchObject({ written: 0, lost: [{ key: ['1'] }] });
    await clinic.reencrypt({ ...SPEC, context: `p:{${name}}` });
    expect((await clinic.census({ ...SPEC, context: `p:{${name}}` })).numbered).toEqual({ 2: 1 });
  });

  it('a change of anything else is none, and both are kept', async () => {
    await clinic.table('patients', 'bytea', [clinic.row('x', 1)]);
    await clinic.sql('ALTER TABLE patients ADD name text');
    const session = await open();
    const column = await columnOf(postgres, SPEC);
    const rows = await readBatch(session, column, { after: undefined, upTo: undefined }, LIMITS);
    const { changes } = planRows(column, rows, clinic.keys, clinic.keys.requireTarget());
    await clinic.sql("UPDATE patients SET name = 'Ada'");
    expect(await writeRows(session, column, changes)).toMatchObject({ written: 1, lost: [] });
    expect(await clinic.sql('SELECT name, get_byte(notes, 0) AS number FROM patients')).toEqual([
      { name: 'Ada', number: 2 },
    ]);
  });
});

it('a row that changes elsewhere between the look of a statement and its lock is tried again, and no trigger is blamed', async () => {
  await clinic.table(
    'patients',
    'bytea',
    [1, 2, 3].map((id) => clinic.row(`${id}`, 1)),
  );
  // Fires after PostgreSQL has taken the snapshot of the statement, and before it locks rows.
  await clinic.sql(`ALTER TABLE patients ADD name text;
    CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_advisory_xact_lock(280); RETURN NULL; END $$;
    CREATE TRIGGER wait BEFORE UPDATE OF notes ON patients FOR EACH STATEMENT EXECUTE FUNCTION wait()`);
  await application.query('BEGIN; SELECT pg_advisory_xact_lock(280)');
  const running = clinic.reencrypt(SPEC, { triggers: 'fire' });
  await until(async () => (await clinic.sql('SELECT FROM pg_locks WHERE objid = 280 AND NOT granted')).length > 0);
  await clinic.sql("UPDATE patients SET name = 'Ada' WHERE id = 2");
  await application.query('COMMIT');
  expect(await running).toMatchObject({ isFinished: true, totals: { reencrypted: 3, left: 0 } });
});

describe('rows that others hold', () => {
  it('are not waited for where an index over the column asks for a stronger lock', async () => {
    await clinic.table(
      'patients',
      'bytea',
      [1, 2, 3].map((id) => clinic.row(`${id}`, 1)),
    );
    await clinic.sql('CREATE UNIQUE INDEX ON patients (notes)');
    await application.query('BEGIN');
    // What PostgreSQL takes for a row of another table that refers to this one.
    await application.query('SELECT FROM patients WHERE id = 2 FOR KEY SHARE');
    const running = clinic.reencrypt(SPEC);
    await until(async () => (await clinic.sql('SELECT FROM patients WHERE get_byte(notes, 0) = 2')).length === 2);
    await application.query('COMMIT');
    expect((await running).totals).toMatchObject({ reencrypted: 3, left: 0 });
  });

  it('are read again within the bytes of a batch, however many they are', async () => {
    const long = 'x'.repeat(2000);
    await clinic.table(
      'patients',
      'bytea',
      Array.from({ length: 9 }, (_, id) => clinic.row(`${id} ${long}`, 1)),
    );
    const work = await startedWorker(SPEC, { rows: 100, bytes: 5000 });
    await cutRange(work.session, work.checked, work.job, 100);
    await application.query('BEGIN');
    await application.query('SELECT FROM patients FOR UPDATE');
    for (let read = 0; read < 9;) {
      const step = await workBatch(work, 1);
      if (step.kind !== 'worked') throw new Error(step.kind);
      read += step.result.readRows;
    }
    await workBatch(work, 1);
    await application.query('COMMIT');

    const written: number[] = [];
    while (written.reduce((total, rows) => total + rows, 0) < 9) {
      const step = await workBatch(work, 1);
      if (step.kind === 'worked') written.push(step.result.reencrypted);
    }
    expect(Math.max(...written)).toBe(3);
  });

  it('are not given up while the others of their range get done', async () => {
    await clinic.table(
      'patients',
      'bytea',
      Array.from({ length: 80 }, (_, id) => clinic.row(`${id}`, 1)),
    );
    const work = await startedWorker(SPEC, { rows: 1, bytes: 5000 });
    await cutRange(work.session, work.checked, work.job, 100);
    await application.query('BEGIN');
    await application.query('SELECT FROM patients WHERE id = 50 FOR UPDATE');
    await application.query('SAVEPOINT others');
    await application.query('SELECT FROM patients FOR UPDATE');
    let isRead = false;
    let reencrypted = 0;
    for (let step = await workBatch(work, 1); step.kind === 'worked'; step = await workBatch(work, 1)) {
      if (step.result.isRead && !isRead) await application.query('ROLLBACK TO SAVEPOINT others');
      isRead = step.result.isRead;
      reencrypted += step.result.reencrypted;
      if (reencrypted === 79) await application.query('COMMIT');
      expect(step.result.left).toEqual([]);
      await clinic.sql("UPDATE pazpaz_keys.range SET not_before = '-infinity'");
    }
    expect(reencrypted).toBe(80);
  });
});

const COUNTS = { rows: 1, readRows: 1, reencrypted: 0, alreadyCurrent: 0, nulls: 0, empty: 0, wroteAlone: true };

describe('a rotation in the middle', () => {
  it('waits for a batch that lists a row, and neither of them fails', async () => {
    await clinic.table('patients', 'bytea', [Buffer.from('no ciphertext')]);
    const { session, checked, job } = await startedWorker(SPEC);
    await cutRange(session, checked, job, 100);
    const other = await open();
    const left = [{ key: ['1'], code: 'INVALID_CIPHERTEXT' as const }];
    const counts = { ...COUNTS, sources: {} };
    let retargeted: Promise<boolean> | undefined;
    await session.transaction(async () => {
      const range = await claimRange(session, job, 0);
      if (range === undefined) throw new Error('No range');
      retargeted = retargetJob(other, job, 2, 3);
      await until(isOneWaiting);
      await recordBatch(session, job, { range, reached: ['1'], isRead: true, again: [], tries: 0, ...counts, left });
    });
    await retargeted;
    expect(await clinic.sql('SELECT target, pass FROM pazpaz_keys.job WHERE id = $1', [job.id])).toEqual([
      { target: 3, pass: 2 },
    ]);
  });
});

describe('a job of other options that takes the place of one under way', () => {
  const OTHER = { ...SPEC, context: 'p:{id}' };

  async function takePlace(
    of: (session: Connection, started: Awaited<ReturnType<typeof startedWorker>>) => Promise<void>,
  ) {
    await clinic.table('patients', 'bytea', [clinic.row('x', 1)]);
    const started = await startedWorker(SPEC);
    await cutRange(started.session, started.checked, started.job, 100);
    const [checked] = await checkedColumns(postgres, [OTHER], clinic.keys, undefined);
    if (checked === undefined) throw new Error('no column was looked up');
    const other = await open();
    const taken = await started.session.transaction(async () => {
      await of(started.session, started);
      const opened = openJob(other, checked.column, { target: 2, startOver: true, brakes: {} });
      await Promise.race([opened, until(isOneWaiting)]);
      return { opened };
    });
    return { former: started.job, job: await taken.opened };
  }

  it('removes rows that a batch passes on as it ends, and keeps when it has re-encrypted', async () => {
    const { former, job } = await takePlace(async (session, { job }) => {
      const range = await claimRange(session, job, 0);
      if (range === undefined) throw new Error('No range');
      const result = {
        range,
        reached: ['1'],
        isRead: true,
        again: [],
        tries: 0,
        left: [],
        sources: { 77: '2026-01-02T03:04:05.000Z' },
      };
      await recordBatch(session, job, { ...COUNTS, ...result });
      await passRows(session, job, [['1']]);
    });
    expect(job.id).not.toBe(former.id);
    expect(await clinic.sql('SELECT FROM pazpaz_keys.range WHERE job_id = $1', [job.id])).toEqual([]);
    expect((await lastReencryptions(await open())).get(77)).toBeInstanceOf(Date);
  });

  it('removes brakes that are set at the same time', async () => {
    const { former, job } = await takePlace(async (session, { job }) => {
      await beginBrakes(session, job, true);
    });
    expect(job.id).not.toBe(former.id);
    expect(await clinic.sql('SELECT FROM pazpaz_keys.brake WHERE job_id = $1', [job.id])).toHaveLength(1);
  });
});

describe('a job is finished only after the table itself was read', () => {
  beforeEach(() =>
    clinic.table(
      'patients',
      'bytea',
      Array.from({ length: 12 }, (_, index) => clinic.row(`${index}`, 1)),
    ),
  );

  it('rows that are written under an older key while it runs are brought too', async () => {
    let isWritten = false;
    const onBatch = async () => {
      if (isWritten) return;
      isWritten = true;
      await clinic.sql('INSERT INTO patients VALUES (-1, $1)', [clinic.row('late', 1)]);
    };
    const report = await clinic.reencrypt(SPEC, {
      batchRows: 3,
      rangeRows: 3,
      connections: 1,
      onBatch: () => void onBatch(),
    });
    expect(report).toMatchObject({ isFinished: true, totals: { left: 0 } });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 13 });
  });

  it('rows that are not committed yet are waited for, or the report names their transaction', async () => {
    const { rows } = await application.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const writer = `process ${rows[0]?.pid ?? ''} (role postgres, open for `;
    const insert = async (id: number) => {
      await application.query('BEGIN');
      await application.query('INSERT INTO patients VALUES ($1, $2)', [id, clinic.row('late', 1)]);
    };
    await insert(-1);
    const unseen = await clinic.reencrypt(SPEC, { writersTimeout: 0 });
    expect(unseen).toMatchObject({ isFinished: true, openWriters: expect.stringContaining(writer) as string });
    await application.query('COMMIT');
    await insert(-2);
    let committed: Promise<unknown> | undefined;
    const onBatch = ({ waitsFor = '' }: { waitsFor?: string | undefined }) => {
      if (waitsFor.includes(writer)) committed ??= application.query('COMMIT');
    };
    expect(await clinic.reencrypt(SPEC, { onBatch })).not.toHaveProperty('openWriters');
    expect(committed).toBeDefined();
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 14 });
  });
});

it('a connection that is cut while it waits for the others does not end the run', async () => {
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: 60 }, (_, id) => clinic.row(`${id}`, 1)),
  );
  let cuts = 0;
  const onBatch = () => {
    cuts += 1;
    if (cuts % 5 !== 1) return;
    void application.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pazpaz-keys'",
    );
  };
  const report = await clinic.reencrypt(SPEC, { batchRows: 7, rangeRows: 20, onBatch });
  expect(report).toMatchObject({ isFinished: true, totals: { readRows: 60, reencrypted: 60 } });
});
