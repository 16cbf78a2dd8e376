import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';

/** Triggers that change a row as it is re-encrypted, so that its ciphertext would open no more. */

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'members', column: 'notes', context: 'members:{email}:notes' };

/** Three rows, of which two have capitals in the context. */
async function members(type: string, value: (row: Buffer) => unknown): Promise<void> {
  await clinic.sql('DROP TABLE IF EXISTS members CASCADE');
  await clinic.sql(`CREATE TABLE members (id int PRIMARY KEY, email text, notes ${type})`);
  for (const [id, email] of ['Anna', 'Bea', 'cora'].entries()) {
    await clinic.sql('INSERT INTO members VALUES ($1, $2, $3)', [
      id,
      email,
      value(clinic.row('text', 1, `members:${email}:notes`)),
    ]);
  }
}

const TRIGGERS = {
  'changes a column of the context before the update':
    'BEGIN new.email := lower(new.email); RETURN new; END $$; CREATE TRIGGER t BEFORE INSERT OR UPDATE',
  'changes it after the update':
    'BEGIN UPDATE public.members SET email = lower(email) WHERE id = new.id AND email <> lower(email); RETURN NULL; END $$; CREATE TRIGGER t AFTER UPDATE',
  'empties the column after the update':
    'BEGIN IF pg_trigger_depth() = 1 THEN UPDATE public.members SET notes = NULL WHERE id = new.id; END IF; RETURN NULL; END $$; CREATE TRIGGER t AFTER UPDATE',
  'gives it another key after the update':
    'BEGIN IF pg_trigger_depth() = 1 THEN UPDATE public.members SET id = id + 100 WHERE id = new.id; END IF; RETURN NULL; END $$; CREATE TRIGGER t AFTER UPDATE',
};

it.each(Object.entries(TRIGGERS))('a batch is undone where a trigger %s', async (_, trigger) => {
  for (const [type, value] of [
    ['bytea', (row: Buffer) => row],
    ['text', (row: Buffer) => row.toString('base64')],
    ['jsonb', (row: Buffer) => JSON.stringify({ data: row.toString('base64'), more: 1 })],
  ] as const) {
    await members(type, value);
    await clinic.sql(`CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ ${trigger} ON members
      FOR EACH ROW EXECUTE FUNCTION t()`);
    const before = await clinic.sql('SELECT * FROM members ORDER BY id');
    const error = await rejectionOf(clinic.reencrypt(SPEC, { triggers: 'fire' }));
    expect(error).toMatchObject({ code: 'DATABASE_REFUSED' });
    expect(error.message).toMatch(
      /A trigger, a rule or a generated column changed . rows of .* or a column of the context \(email\): t/,
    );
    expect(await clinic.sql('SELECT * FROM members ORDER BY id')).toEqual(before);
    expect(await clinic.census(SPEC)).toMatchObject({ numbered: { 1: 3 }, unreadable: 0 });
  }
});

it('rows are done where a trigger changes other columns, before and after the update', async () => {
  await members('bytea', (row) => row);
  await clinic.sql(`ALTER TABLE members ADD changed int DEFAULT 0;
    CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF pg_trigger_depth() = 1 THEN UPDATE public.members SET changed = changed + 1 WHERE id = new.id; END IF; RETURN new; END $$;
    CREATE TRIGGER t AFTER UPDATE ON members FOR EACH ROW EXECUTE FUNCTION t()`);
  expect((await clinic.reencrypt(SPEC, { triggers: 'fire' })).totals).toMatchObject({ reencrypted: 3, left: 0 });
  expect(await clinic.census(SPEC)).toMatchObject({ numbered: { 2: 3 } });
  expect(await clinic.sql('SELECT changed FROM members')).toEqual([{ changed: 1 }, { changed: 1 }, { changed: 1 }]);
});

const SPELLED = 'members:{email}:{at}:{lasts}:{k}:{half}:{price}';

it.each(['BEFORE', 'AFTER'])(
  'rows are done where a trigger changes how values are spelled, %s the update',
  async (when) => {
    for (const set of [
      `PERFORM set_config('TimeZone', 'Europe/Berlin', true)`,
      `SET TIME ZONE 'Asia/Tokyo'`,
      `PERFORM set_config('DateStyle', 'German', true)`,
      `SET LOCAL IntervalStyle = 'postgres'`,
      `SET LOCAL bytea_output = 'escape'`,
      `SET LOCAL extra_float_digits = -5`,
      `SET LOCAL lc_monetary = 'C.UTF-8'`,
      `SET LOCAL client_encoding = 'LATIN1'`,
      `SET LOCAL row_security = on`,
    ]) {
      await members('bytea', (row) => row);
      await clinic.sql(`ALTER TABLE members ADD at timestamptz DEFAULT '2024-05-06 07:08:09+00', ADD lasts interval DEFAULT '26 hours',
        ADD k bytea DEFAULT '\\x00ff', ADD half float8 DEFAULT 0.1234567890123456, ADD price money DEFAULT 12.5;
      CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${set}; RETURN new; END $$;
      CREATE TRIGGER t ${when} UPDATE ON members FOR EACH ROW EXECUTE FUNCTION t()`);
      for (const email of ['Anna', 'Bea', 'cora'])
        await clinic.sql('UPDATE members SET notes = $1 WHERE email = $2', [
          clinic.row('text', 1, `members:${email}:2024-05-06 07:08:09+00:PT26H:\\x00ff:0.1234567890123456:$12.50`),
          email,
        ]);
      const spec = { ...SPEC, context: SPELLED };
      expect((await clinic.reencrypt(spec, { triggers: 'fire' })).totals).toMatchObject({ reencrypted: 3, left: 0 });
      expect(await clinic.census(spec)).toMatchObject({ numbered: { 2: 3 } });
    }
  },
);

describe('rows are done where a trigger drops the prepared statements of the session', () => {
  it.each([
    ['DEALLOCATE ALL', 'BEFORE UPDATE', ''],
    ['DEALLOCATE ALL', 'AFTER UPDATE', ''],
    ['DISCARD PLANS', 'AFTER UPDATE', ''],
    ['DEALLOCATE ALL', 'AFTER UPDATE', 'IF new.id = 2 THEN'],
  ])('%s %s %s', async (drop, when, condition) => {
    await members('bytea', (row) => row);
    await clinic.sql(`CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        ${condition} ${drop}; ${condition === '' ? '' : 'END IF;'} RETURN new; END $$;
      CREATE TRIGGER t ${when} ON members FOR EACH ROW EXECUTE FUNCTION t()`);
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows: 1, connections: 1 });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 3, left: 0 } });
    expect(await clinic.census(SPEC)).toMatchObject({ numbered: { 2: 3 } });
  });

  it.each([
    ['before the next batch', {}],
    ['before the next rows are paid for', { maxRowsPerSecond: 1000 }],
  ])('only as the transaction ends: %s', async (_, brakes) => {
    await members('bytea', (row) => row);
    await clinic.sql(`DROP TABLE IF EXISTS later; CREATE TABLE later (id int);
      CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.id > -2 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO later VALUES (least(new.id, 0) - 1); END IF;
        RETURN new; END $$;
      CREATE OR REPLACE FUNCTION drop_plans() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.id = -2 THEN DEALLOCATE ALL; END IF; RETURN NULL; END $$;
      CREATE TRIGGER t AFTER UPDATE ON members FOR EACH ROW EXECUTE FUNCTION t();
      CREATE CONSTRAINT TRIGGER one AFTER INSERT ON later INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t();
      CREATE CONSTRAINT TRIGGER two AFTER INSERT ON later INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION drop_plans()`);
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows: 1, connections: 1, brakes });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 3, left: 0 } });
  });
});

it('rows are listed where a trigger writes the former ciphertext again', async () => {
  await members('bytea', (row) => row);
  await clinic.sql(`CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF pg_trigger_depth() = 1 THEN UPDATE public.members SET notes = old.notes WHERE id = new.id; END IF; RETURN new; END $$;
    CREATE TRIGGER t AFTER UPDATE ON members FOR EACH ROW EXECUTE FUNCTION t()`);
  const { isFinished, left } = await clinic.reencrypt(SPEC, { triggers: 'fire' });
  expect({ isFinished, codes: left.map(({ code }) => code) }).toEqual({
    isFinished: true,
    codes: Array.from({ length: 3 }, () => 'WRITTEN_MEANWHILE'),
  });
  expect(await clinic.census(SPEC)).toMatchObject({ numbered: { 1: 3 } });
});

const ITS_OWN = {
  'changes a column of the context itself':
    'UPDATE public.members SET email = lower(email) WHERE id = new.id; RETURN NULL;',
  'deletes it': 'DELETE FROM public.members WHERE id = new.id; RETURN NULL;',
  'keeps it as a version and adds a new one':
    'DELETE FROM public.members WHERE id = new.id; INSERT INTO public.members VALUES (new.id + 100, new.email, new.notes); RETURN NULL;',
  'writes the new ciphertext itself': 'UPDATE public.members SET notes = new.notes WHERE id = new.id; RETURN NULL;',
  'moves it to a partition that takes none': "new.email := 'nowhere'; RETURN new;",
};

it.each(Object.entries(ITS_OWN))('a row is listed and stays as it was where a trigger %s instead', async (_, code) => {
  await members('bytea', (row) => row);
  await clinic.sql(`ALTER TABLE members RENAME TO plain;
    CREATE TABLE members (id int, email text, notes bytea, PRIMARY KEY (id, email)) PARTITION BY LIST (email);
    CREATE TABLE nowhere PARTITION OF members FOR VALUES IN ('nowhere');
    CREATE TABLE ofMembers1 PARTITION OF members DEFAULT;
    INSERT INTO members SELECT * FROM plain; DROP TABLE plain;
    CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF pg_trigger_depth() > 1 OR new.id <> 1 THEN RETURN new; END IF; ${code} END $$;
    CREATE TRIGGER t BEFORE UPDATE ON ofMembers1 FOR EACH ROW EXECUTE FUNCTION t();
    CREATE OR REPLACE FUNCTION take_none() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER take_none BEFORE INSERT ON nowhere FOR EACH ROW EXECUTE FUNCTION take_none()`);
  const former = await clinic.sql('SELECT * FROM members WHERE id = 1');
  const report = await clinic.reencrypt(SPEC, { triggers: 'fire' });
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 2, left: 1 } });
  expect(report.left).toEqual([{ key: ['1', 'Bea'], code: 'DATABASE:NOT_UPDATED' }]);
  expect(await clinic.sql('SELECT * FROM members WHERE id % 100 = 1')).toEqual(former);
  expect(await clinic.census(SPEC)).toMatchObject({ rows: 3, numbered: { 1: 1, 2: 2 } });
});

describe('a trigger that keeps former values in another listed column', () => {
  const ofMembers = { table: 'members', column: 'notes', context: 'members:{email}:notes' };
  const history = { table: 'history', column: 'notes', context: 'members:{email}:notes' };
  const keep = (table: string, former: string) =>
    clinic.sql(`CREATE OR REPLACE FUNCTION keep_${table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.${former} (email, notes) VALUES (old.email, old.notes); RETURN NULL; END $$;
      CREATE TRIGGER t AFTER UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION keep_${table}()`);
  beforeEach(async () => {
    await members('bytea', (row) => row);
    await clinic.sql(`DROP TABLE IF EXISTS history; CREATE TABLE history (LIKE members);
      ALTER TABLE history ALTER id ADD GENERATED ALWAYS AS IDENTITY, ADD PRIMARY KEY (id);
      ALTER TABLE members ALTER id ADD GENERATED ALWAYS AS IDENTITY (START WITH 100)`);
    await keep('members', 'history');
  });

  it('has that column checked again, and nothing is left', async () => {
    const reports = await reencrypt(postgres, [history, ofMembers], clinic.keys, { triggers: 'fire' });
    expect(reports).toMatchObject([
      { isFinished: true, isResumed: false, ownReencrypted: 3, totals: { reencrypted: 3, left: 0 } },
      { isFinished: true, isResumed: false, ownReencrypted: 3, totals: { reencrypted: 3, left: 0 } },
    ]);
    expect(await clinic.census(history)).toMatchObject({ numbered: { 2: 3 } });
  });

  it('has it checked again, and not begun again, where another process has begun a pass since', async () => {
    await clinic.sql(`CREATE OR REPLACE FUNCTION begin_pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE pazpaz_keys.job SET pass = 7 WHERE table_id = 'public.history'::regclass; RETURN NULL; END $$;
      CREATE TRIGGER begin_pass AFTER UPDATE ON members FOR EACH ROW EXECUTE FUNCTION begin_pass()`);
    await reencrypt(postgres, [history, ofMembers], clinic.keys, { triggers: 'fire' });
    const passes = "SELECT pass FROM pazpaz_keys.job WHERE table_id = 'history'::regclass";
    expect(await clinic.sql(passes)).toEqual([{ pass: 7 }]);
    expect(await clinic.census(history)).toMatchObject({ numbered: { 2: 3 } });
  });

  it('is no reason to check for ever: where two do so for each other, the job is not finished', async () => {
    await keep('history', 'members');
    const reports = await reencrypt(postgres, [history, ofMembers], clinic.keys, { triggers: 'fire' });
    expect(reports.map(({ isFinished }) => isFinished)).toContain(false);
  });
});

describe('a role whose sessions are those of a replica', () => {
  beforeEach(() => clinic.sql('ALTER ROLE postgres SET session_replication_role = replica'));
  afterEach(() => clinic.sql('ALTER ROLE postgres RESET ALL'));

  it('is refused where triggers are to fire or nothing was chosen, and may skip them', async () => {
    await members('bytea', (row) => row);
    await clinic.sql(`CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
      CREATE TRIGGER t BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION t()`);
    for (const options of [{ triggers: 'fire' }, {}] as const) {
      const error = await rejectionOf(clinic.reencrypt(SPEC, options));
      expect(error).toMatchObject({ code: 'TRIGGERS_UNDECIDED' });
      expect(error.message).toContain('session_replication_role = replica');
    }
    expect((await clinic.reencrypt(SPEC, { triggers: 'skip' })).totals.reencrypted).toBe(3);
  });

  it('may re-encrypt a table without triggers', async () => {
    await members('bytea', (row) => row);
    expect((await clinic.reencrypt(SPEC)).totals.reencrypted).toBe(3);
  });
});

/** PostgreSQL says that the queue of NOTIFY is full only at the commit, and keeps what a failed transaction has put there. */
describe('a batch with more notifications than the queue holds is halved, and only a row with more is listed', () => {
  const freed = 'PERFORM pg_notification_queue_usage();';
  it.each([
    ['where our role may ask how full the queue is', '', ''],
    ['where it may not', 'REVOKE EXECUTE ON FUNCTION pg_notification_queue_usage() FROM PUBLIC', freed],
  ])('%s', async (_, revoke, frees) => {
    const usual = await startPostgres();
    const canLimit = (await majorVersion(usual)) >= 17;
    await usual.stop();
    if (!canLimit) return;
    const postgres = await startPostgres({ settings: ['max_notify_queue_pages=64'] });
    try {
      const clinic = await Clinic.withKeys(postgres, 2);
      const values = Array.from({ length: 120 }, (_, index) => clinic.row(`${index}`, 1));
      await clinic.table('patients', 'bytea', values);
      await clinic.sql(`CREATE ROLE own LOGIN; GRANT CREATE ON DATABASE postgres TO own; ALTER TABLE patients OWNER TO own;
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
          ${frees}
          PERFORM pg_notify('c', repeat('x', 7000) || new.id || ':' || i)
             FROM generate_series(1, CASE WHEN new.id = 7 THEN 200 ELSE 1 END) i; RETURN new; END $$;
        CREATE TRIGGER told AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION tell(); ${revoke}`);
      const own = { url: postgres.url.replace('postgres@', 'own@') };
      const spec = { table: 'patients', column: 'notes' };
      const reports = await reencrypt(own, [spec], clinic.keys, { triggers: 'fire', connections: 1 });
      const left = [{ key: ['7'], code: 'DATABASE:54000' }];
      expect(reports).toMatchObject([{ isFinished: true, totals: { reencrypted: 119 }, left }]);
    } finally {
      await postgres.stop();
    }
  });
});
