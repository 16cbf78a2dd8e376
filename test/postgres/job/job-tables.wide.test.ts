import { readFileSync } from 'node:fs';
import pg from 'pg';
import type { ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { openJob } from '../../../src/postgres/job/job.ts';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { leftByLastReencryption } from '../../../src/postgres/job/job-control.ts';
import { candidatesOf } from '../../../src/postgres/sample/candidates.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { columnOf } from '../support/column-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };
const SMALL = { batchRows: 7, rangeRows: 20, connections: 1 };

beforeEach(async () => {
  await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  await fill();
});

async function fill(): Promise<void> {
  const ids = Array.from({ length: 50 }, (_, index) => index + 1);
  await clinic.table('patients', 'bytea', []);
  await clinic.sql('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
    ids,
    ids.map((id) => clinic.row(`note ${id}`, 1, `p:${id}`)),
  ]);
}

/** Stops after the first batch. */
async function begun(spec: ColumnSpec = SPEC) {
  const stop = new AbortController();
  const onBatch = () => {
    stop.abort();
  };
  return clinic.reencrypt(spec, { ...SMALL, onBatch, signal: stop.signal });
}

describe('the schema of the job tables', () => {
  it('takes over the jobs of version 0.1.0, which wrote down no version', async () => {
    await begun();
    const jobs = await clinic.sql(
      'SELECT id, table_id, column_name, options, target, frontier, ranges FROM pazpaz_keys.job',
    );
    const ranges = await clinic.sql('SELECT * FROM pazpaz_keys.range');
    await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE; CREATE SCHEMA pazpaz_keys');
    await clinic.sql(readFileSync('src/postgres/job/sql/0001-jobs.sql', 'utf8'));
    await clinic.sql(
      `INSERT INTO pazpaz_keys.job (id, table_id, column_name, options, target, frontier, ranges) OVERRIDING SYSTEM VALUE
       SELECT id, table_id, column_name, options, target, frontier, ranges FROM json_populate_recordset(NULL::pazpaz_keys.job, $1)`,
      [JSON.stringify(jobs)],
    );
    await clinic.sql(
      'INSERT INTO pazpaz_keys.range SELECT * FROM json_populate_recordset(NULL::pazpaz_keys.range, $1)',
      [JSON.stringify(ranges)],
    );

    const report = await clinic.reencrypt(SPEC, SMALL);
    expect(report).toMatchObject({ isFinished: true, isResumed: true, ownReencrypted: 43 });
    expect(report.totals).toMatchObject({ readRows: 50, reencrypted: 50, alreadyCurrent: 0 });
    const versions = await clinic.sql<{ version: number }>('SELECT version FROM pazpaz_keys.migration ORDER BY 1');
    expect(versions.map(({ version }) => version)).toEqual(versions.map((_, index) => index + 1));
  });

  it('of a newer version is refused, and stays as it is', async () => {
    await begun();
    await clinic.sql('INSERT INTO pazpaz_keys.migration (version) VALUES (999)');
    const error = await rejectionOf(clinic.reencrypt(SPEC, SMALL));
    expect(error.code).toBe('DATABASE_REFUSED');
    expect(error.message).toContain('999');
  });

  it('of a role that keeps this one out is refused with its owner and the next step', async () => {
    await begun();
    await clinic.sql('DROP ROLE IF EXISTS second');
    await clinic.sql('CREATE ROLE second LOGIN; GRANT ALL ON patients TO second');
    const database = { ...postgres, url: postgres.url.replace('postgres@', 'second@') };
    for (const run of [
      () => reencrypt(database, [SPEC], clinic.keys, SMALL),
      () => leftByLastReencryption(database, [SPEC], 2),
    ]) {
      const error = await rejectionOf(run());
      expect(error.code).toBe('DATABASE_REFUSED');
      expect(error.message).toContain('belongs to postgres, and this user may not use it. Run this as that role.');
    }
  });

  it('is not searched for ciphertexts, in no column that this version makes', async () => {
    await begun();
    const session = await Connection.open(postgres);
    const names = (await candidatesOf(session)).map(({ table, column }) => `${table}.${column}`);
    await session.close();
    expect(names).toEqual(['public.patients.notes']);
  });

  it.each([
    ['owner', 'ALTER TABLE %s OWNER TO team', 'permission denied for table job'],
    ['owner of which the user is a member', 'GRANT team TO maker; ALTER TABLE %s OWNER TO team', 'job belongs to team'],
    ['row-level security', 'ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', 'row-level security'],
    [
      'trigger',
      'CREATE TRIGGER audit AFTER UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.audit()',
      'the trigger audit',
    ],
  ])('is not made where an event trigger gives its tables another %s, which is named', async (_, change, why) => {
    await clinic.sql(`CREATE ROLE team; CREATE ROLE maker LOGIN; GRANT ALL ON patients TO maker;
      GRANT CREATE ON DATABASE postgres TO maker;
      CREATE OR REPLACE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE FUNCTION change_new() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE made record; BEGIN
        FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
          EXECUTE format('${change}', made.object_identity); END LOOP; END $$;
      CREATE EVENT TRIGGER changes ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION change_new()`);
    const run = () => reencrypt({ url: postgres.url.replace('postgres@', 'maker@') }, [SPEC], clinic.keys, SMALL);
    try {
      const error = await rejectionOf(run());
      expect(error.code).toBe('DATABASE_REFUSED');
      expect(error.message).toMatch(new RegExp(`${why}.*event trigger.*: changes, function public\\.change_new\\(\\)`));
      expect(error.message).not.toMatch(/GRANT CREATE|DROP SCHEMA/);
      expect(await clinic.sql("SELECT FROM pg_namespace WHERE nspname = 'pazpaz_keys'")).toEqual([]);
      // What the message asks for.
      await clinic.sql('ALTER EVENT TRIGGER changes DISABLE');
      expect(await run()).toMatchObject([{ isFinished: true, totals: { reencrypted: 50 } }]);
      await clinic.sql('ALTER EVENT TRIGGER changes ENABLE');
      expect(await run()).toMatchObject([{ isFinished: true }]);
    } finally {
      await clinic.sql(`DROP EVENT TRIGGER changes; DROP FUNCTION change_new; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE;
        DROP OWNED BY maker, team; DROP ROLE maker, team`);
    }
  });

  it('is brought to this version once, by processes that start together', async () => {
    const runs = [1, 2, 3].map(() => reencrypt(postgres, [SPEC], clinic.keys, SMALL));
    for (const [report] of await Promise.all(runs)) expect(report?.totals).toMatchObject({ reencrypted: 50 });
  });

  it('has an identity for rows of each table, so that a publication FOR ALL TABLES holds nothing up', async () => {
    await begun();
    const without = await clinic.sql(
      `SELECT relname FROM pg_class c WHERE relnamespace = 'pazpaz_keys'::regnamespace AND relkind = 'r' AND relreplident <> 'f'
          AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)`,
    );
    expect(without).toEqual([]);
  });
});

describe('a job is resumed only on the content that it was begun on', () => {
  const restore = async () => {
    const rows = [...(await clinic.values('patients'))];
    await clinic.sql('TRUNCATE patients');
    for (const [id] of rows)
      await clinic.sql('INSERT INTO patients VALUES ($1, $2)', [id, clinic.row(`note ${id}`, 1, `p:${id}`)]);
  };

  it.each<[string, () => Promise<unknown>]>([
    ['a table whose rows were restored', restore],
    ['a table that was made again', fill],
  ])('%s is begun again, and no row counts as done that is not', async (_, change) => {
    await begun();
    await change();
    const report = await clinic.reencrypt(SPEC, SMALL);
    expect(report).toMatchObject({ isFinished: true, isResumed: false, ownReencrypted: 50 });
    expect(report.totals).toMatchObject({ readRows: 50, reencrypted: 50 });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 50 });
  });

  it('and so is one whose files were rewritten: rows that were done are only read', async () => {
    await begun();
    await clinic.sql('VACUUM FULL patients');
    const report = await clinic.reencrypt(SPEC, SMALL);
    expect(report).toMatchObject({ isFinished: true, isResumed: false, ownReencrypted: 43 });
    expect(report.totals).toMatchObject({ readRows: 50, reencrypted: 43, alreadyCurrent: 7 });
  });
});

it('partitions that come and go while a job runs do not begin it again, and their rows are done', async () => {
  const parts = (from: number, to: number) => `FOR VALUES FROM (${from}) TO (${to})`;
  await clinic.sql(
    `ALTER TABLE patients RENAME TO part; ALTER TABLE part RENAME CONSTRAINT patients_pkey TO part_pkey;
     CREATE TABLE patients (LIKE part INCLUDING ALL) PARTITION BY RANGE (id); ALTER TABLE patients ATTACH PARTITION part ${parts(1, 100)}`,
  );
  const late = clinic.row('late', 1, 'p:-1');
  let made = 0;
  let batches = 0;
  // Before a batch, but not again before its second attempt.
  const sleep = async () => {
    batches += 1;
    if (batches % 2 === 0) return;
    made += 1;
    const [from, to] = [-made, 1 - made];
    if (made % 5 === 0) await clinic.sql(`ALTER TABLE patients DETACH PARTITION part_${made - 1}`);
    await clinic.sql(`CREATE TABLE part_${made} (LIKE part INCLUDING ALL)`);
    if (made === 1) await clinic.sql('INSERT INTO part_1 VALUES (-1, $1)', [late]);
    await clinic.sql(`ALTER TABLE patients ATTACH PARTITION part_${made} ${parts(from, to)}`);
  };
  const paced = { brakes: { ...FULL_SPEED, maxRowsPerSecond: 10 }, clock: { now: () => 0, sleep } };
  const report = await clinic.reencrypt(SPEC, { ...SMALL, ...paced, batchRows: 2 });
  expect(made).toBeGreaterThan(20);
  expect(report).toMatchObject({ isFinished: true, ownReencrypted: 51, totals: { reencrypted: 51, left: 0 } });
  expect(await clinic.sql('SELECT pass FROM pazpaz_keys.job')).toEqual([{ pass: 1 }]);
  expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 51 });
});

describe('a process works on no job but the one that it began', () => {
  const MOVED = { ...SPEC, toContext: 'q:{id}' };

  /** What a process says whose batches wait for their rate: after its first one, `meanwhile` happens. */
  async function whileOneWaits(meanwhile: () => Promise<unknown>): Promise<string> {
    let hasWorked = false;
    let done: Promise<unknown> | undefined;
    const sleep = async () => {
      if (hasWorked) done ??= meanwhile();
      await done;
    };
    const onBatch = () => {
      hasWorked = true;
    };
    const paced = { brakes: { ...FULL_SPEED, maxRowsPerSecond: 10 }, clock: { now: () => 0, sleep } };
    const { code, message } = await rejectionOf(clinic.reencrypt(SPEC, { ...SMALL, ...paced, onBatch }));
    return `${code}: ${message}`;
  }

  const GONE = /^JOB_DIFFERS: The job on patients\.notes that this process worked on is gone/;

  it('where another one with other options takes its place', async () => {
    const startOver = async () => {
      const report = await clinic.reencrypt(MOVED, { ...SMALL, startOver: true });
      expect(report).toMatchObject({ isFinished: true, isResumed: false, ownReencrypted: 50 });
    };
    expect(await whileOneWaits(startOver)).toMatch(GONE);
    expect((await clinic.census({ ...SPEC, context: 'q:{id}' })).numbered).toEqual({ 2: 50 });
  });

  it('where that one is only begun, after another process has finished the former', async () => {
    const finishAndBegin = async () => {
      expect(await clinic.reencrypt(SPEC, { ...SMALL, brakes: FULL_SPEED })).toMatchObject({ isFinished: true });
      expect(await begun(MOVED)).toMatchObject({ isFinished: false, ownReencrypted: 7 });
    };
    expect(await whileOneWaits(finishAndBegin)).toMatch(GONE);
    expect(await clinic.reencrypt(MOVED, SMALL)).toMatchObject({ isResumed: true, totals: { readRows: 50 } });
    expect((await clinic.census({ ...SPEC, context: 'q:{id}' })).numbered).toEqual({ 2: 50 });
  });

  it('where the table is altered meanwhile, so that the job is opened again', async () => {
    const replaceAndAlter = async () => {
      await clinic.reencrypt(MOVED, { ...SMALL, startOver: true });
      await clinic.sql('CREATE INDEX ON patients (length(notes))');
    };
    expect(await whileOneWaits(replaceAndAlter)).toMatch(GONE);
    expect((await clinic.census({ ...SPEC, context: 'q:{id}' })).numbered).toEqual({ 2: 50 });
  });

  it('where the schema is dropped, and a job on another table is the first of the new one', async () => {
    const dropAndBegin = async () => {
      await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE; CREATE TABLE visits (LIKE patients INCLUDING ALL)');
      await clinic.sql('INSERT INTO visits SELECT 1, $1', [clinic.row('visit', 1, 'p:1')]);
      expect(await begun({ ...SPEC, table: 'visits' })).toMatchObject({ isFinished: false });
    };
    try {
      expect(await whileOneWaits(dropAndBegin)).toMatch(GONE);
      expect(await clinic.sql('SELECT finished_at FROM pazpaz_keys.job')).toEqual([{ finished_at: null }]);
    } finally {
      await clinic.sql('DROP TABLE visits');
    }
  });
});

it('a role that keeps the tables closed is named, and waited for no longer than a minute', async () => {
  await clinic.sql('CREATE ROLE locks LOGIN');
  const other = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'locks@') });
  await other.connect();
  const session = await Connection.open(postgres);
  try {
    await other.query('SELECT pg_advisory_lock(7206153928)');
    const { rows } = await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const column = await columnOf(postgres, SPEC);
    const waits: string[] = [];
    const onWait = (detail: string) => waits.push(detail);
    const opening = { target: 2, startOver: false, brakes: {}, onWait };
    const error = await rejectionOf(openJob(session, column, { ...opening, patience: 0 }));
    expect(error.code).toBe('DATABASE_REFUSED');
    expect(error.message).toContain(`advisory lock 7206153928 of process ${rows[0]?.pid ?? ''} (role locks)`);
    await clinic.sql('CREATE TABLE held (id int); INSERT INTO held VALUES (1); GRANT ALL ON held TO locks');
    await clinic.sql('BEGIN; LOCK TABLE held');
    const blocked = other.query('SELECT FROM held');
    await until(async () => (await session.rows('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
    const behind = await rejectionOf(openJob(session, column, { ...opening, patience: 0 }));
    const [holder] = await clinic.sql<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    expect(behind.message.replaceAll(/\s+/g, ' ')).toContain(
      `(role locks), which waits for process ${holder?.pid ?? ''}`,
    );
    await clinic.sql('ROLLBACK');
    await blocked;
    const opened = openJob(session, column, opening);
    await until(() => Promise.resolve(waits.length > 0));
    await other.query('SELECT pg_advisory_unlock_all()');
    expect(await opened).toMatchObject({ isResumed: false });
    expect(waits[0]).toContain('(role locks)');
  } finally {
    await session.close();
    await other.end();
    await clinic.sql('ROLLBACK; DROP TABLE IF EXISTS held; DROP ROLE locks');
  }
});
