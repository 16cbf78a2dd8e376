import { closeSync, openSync, writeSync } from 'node:fs';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes' };

beforeEach(() =>
  clinic.table(
    'patients',
    'bytea',
    Array.from({ length: 12 }, (_, index) => clinic.row(`${index}`, 1)),
  ),
);

describe('a row that is refused', () => {
  it.each(['PT403', '42501', '08006', '40001', '53100', '57014', '25006', 'XX000', '0A000', '55P03', '22023'])(
    'is listed with its SQLSTATE, and the others are done: %s',
    async (state) => {
      await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.id = 5 THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '${state}'; END IF; RETURN new; END $$`);
      await clinic.sql('CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()');
      const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows: 5 });
      expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 11, left: 1 } });
      expect(report.left).toEqual([{ key: ['5'], code: `DATABASE:${state}` }]);
    },
  );

  it('by a trigger that may not do something is listed too', async () => {
    await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.id = 5 THEN PERFORM 1 FROM no_such_table; END IF; RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()');
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire' });
    expect(report.left).toEqual([{ key: ['5'], code: 'DATABASE:42P01' }]);
  });

  it('by a trigger that leaves it as it is, without a word, is listed at once', async () => {
    await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.id = 5 THEN RETURN NULL; END IF; RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()');
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows: 5 });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 11, left: 1 } });
    expect(report.left).toEqual([{ key: ['5'], code: 'DATABASE:NOT_UPDATED' }]);
  });

  it('for want of a replica identity is said with what PostgreSQL advises', async () => {
    await clinic.sql('ALTER TABLE patients DROP CONSTRAINT patients_pkey, ADD UNIQUE (id)');
    await clinic.sql('CREATE PUBLICATION all_rows FOR TABLE patients');
    const error = await rejectionOf(clinic.reencrypt({ ...SPEC, key: ['id'] }));
    await clinic.sql('DROP PUBLICATION all_rows');
    expect(error.message).toMatch(/replica identity.*REPLICA IDENTITY using ALTER TABLE/);
  });

  it('by a deferred constraint trigger is listed too', async () => {
    await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.id = 5 THEN RAISE 'not this one'; END IF; RETURN NULL; END $$`);
    await clinic.sql(
      'CREATE CONSTRAINT TRIGGER refused AFTER UPDATE ON patients DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()',
    );
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire' });
    expect(report).toMatchObject({ totals: { reencrypted: 11 }, left: [{ key: ['5'], code: 'DATABASE:P0001' }] });
  });
});

/** It sorts more than a temporary file may hold (53400). */
const SHORT = `PERFORM count(*) FROM (SELECT FROM generate_series(1, 20000) g ORDER BY random()) sorted;`;

describe('a trigger that lacks a resource of the server (class 53)', () => {
  it.each([
    ['while others are written', 10],
    ['alone', 1],
  ])('has its row listed: %s', async (_, batchRows) => {
    await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
      SET temp_file_limit = '64kB' SET work_mem = '64kB' AS $$ BEGIN IF new.id = 5 THEN ${SHORT} END IF; RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()');
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows, connections: 1 });
    const left = [{ key: ['5'], code: 'DATABASE:53400' }];
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 11 }, left });
  });
});

it.each([
  ['P0001', "RAISE 'no';"],
  ['53400', SHORT],
])('a row for which the commit fails is listed, and the others are done: %s', async (state, fails) => {
  await clinic.sql(`DROP TABLE IF EXISTS later; CREATE TABLE later (id int);
    CREATE OR REPLACE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.id = 5 OR new.id = -1 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO later VALUES (least(new.id, 0) - 1); END IF;
      RETURN new; END $$;
    CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SET temp_file_limit = '64kB' SET work_mem = '64kB'
      AS $$ BEGIN IF new.id = -2 THEN ${fails} END IF; RETURN NULL; END $$;
    CREATE TRIGGER deferred AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION defer();
    CREATE CONSTRAINT TRIGGER one AFTER INSERT ON later INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION defer();
    CREATE CONSTRAINT TRIGGER two AFTER INSERT ON later INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()`);
  const report = await clinic.reencrypt(SPEC, { triggers: 'fire', connections: 1 });
  const left = [{ key: ['5'], code: `DATABASE:${state}` }];
  expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 11 }, left });
});

describe('a trigger that ends the session or the statement for one row', () => {
  it.each([
    ['57P01', 'pg_terminate_backend'],
    ['57014', 'pg_cancel_backend'],
  ])('has the row listed, and the others are done: %s', async (state, ends) => {
    await clinic.sql(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.id IN (1, 7) THEN PERFORM ${ends}(pg_backend_pid()); END IF; RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()');
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows: 10 });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 10, left: 2 } });
    expect(report.left).toEqual(['1', '7'].map((id) => ({ key: [id], code: `DATABASE:${state}` })));
  });

  it('and once only leaves no row', async () => {
    await clinic.sql(`CREATE SEQUENCE ends; CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('ends') IN (3, 9) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER refused BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()');
    const report = await clinic.reencrypt(SPEC, { triggers: 'fire', batchRows: 10 });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 12, left: 0 } });
  });
});

describe('what the server cannot read', () => {
  beforeAll(() => clinic.sql('CREATE EXTENSION pg_buffercache; SET allow_system_table_mods = on'));

  it.each(['bytea', 'jsonb'])('of a value has its row listed, and no count passes over it: %s', async (type) => {
    if ((await majorVersion(postgres)) < 14) return;
    const value = (text: string) => {
      const row = clinic.row(text, 1);
      return type === 'bytea' ? row : JSON.stringify(row.toString('base64'));
    };
    const texts = Array.from({ length: 12 }, (_, index) => (index === 6 ? 'x'.repeat(5000) : 'x'));
    await clinic.table('patients', type, texts.map(value));
    await loseLongValues('patients');
    const inContext = clinic.reencrypt({ ...SPEC, context: 'p:{id}' });
    await expect(inContext).rejects.toThrow(/Of 11 rows .* 11 open without a context/);
    const report = await clinic.reencrypt(SPEC, { batchRows: 5 });
    expect(report).toMatchObject({ isFinished: true, totals: { readRows: 12, reencrypted: 11, left: 1 } });
    expect(report.left).toEqual([{ key: ['7'], code: 'DATABASE:XX001' }]);
    const named = /the row of public\.patients with the key 7 \(ctid \(0,7\)\).*XX001.*missing chunk/;
    await expect(clinic.census(SPEC)).rejects.toThrow(named);
    await clinic.sql('UPDATE patients SET notes = NULL WHERE id = 7');
    expect(await clinic.census(SPEC)).toMatchObject({ rows: 12, nulls: 1, numbered: { 2: 11 } });
  });

  it('of a page has that page listed, and the rows of the others are done', async () => {
    if ((await majorVersion(postgres)) < 17) return;
    // Each new version of a row finds room beside it, so that no index has to look at the page.
    await clinic.sql('ALTER TABLE patients SET (fillfactor = 40)');
    await clinic.sql('INSERT INTO patients SELECT n, notes FROM patients, generate_series(13, 300) n WHERE id = 1');
    const onPage = "SELECT FROM patients WHERE ctid >= '(1,0)' AND ctid < '(2,0)'";
    const lost = (await clinic.sql(onPage)).length;
    await spoilPage('patients', 1);
    const report = await clinic.reencrypt(SPEC, { batchRows: 50, rangeRows: 100 });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 300 - lost, left: 1 } });
    expect(report.left).toEqual([{ key: ['page 1 of public.patients'], code: 'DATABASE:XX001' }]);
    await expect(clinic.census(SPEC)).rejects.toThrow(/cannot read page 1 of public\.patients.*invalid page/);
  });
});

/** Deletes what long values are stored in, outside of their rows. */
async function loseLongValues(table: string): Promise<void> {
  const [found] = await clinic.sql<{ parts: string }>(
    `SELECT reltoastrelid::regclass AS parts FROM pg_class WHERE oid = '${table}'::regclass`,
  );
  const change = (kind: string) =>
    clinic.sql(`UPDATE pg_class SET relkind = '${kind}' WHERE oid = '${found?.parts}'::regclass`);
  await change('r');
  await clinic.sql(`DELETE FROM ${found?.parts}`);
  await change('t');
  await clinic.sql(`VACUUM ${found?.parts}`);
}

async function spoilPage(table: string, page: number): Promise<void> {
  await clinic.sql(
    `SELECT pg_buffercache_evict(bufferid) FROM pg_buffercache WHERE relfilenode = pg_relation_filenode('${table}')`,
  );
  const [found] = await clinic.sql<{ path: string }>(
    `SELECT current_setting('data_directory') || '/' || pg_relation_filepath('${table}') AS path`,
  );
  const file = openSync(found?.path ?? '', 'r+');
  writeSync(file, Buffer.alloc(64, 0x5a), 0, 64, page * 8192);
  closeSync(file);
}

describe('texts that a row is read with, beside its value,', () => {
  const IN_TENANT = { ...SPEC, context: 'p:{tenant}:{id}' };
  const tenants = async (tenantOf: string) => {
    await clinic.sql(`DROP TABLE patients; CREATE TABLE patients (id text PRIMARY KEY, tenant text, notes bytea)`);
    for (let id = 1; id <= 12; id += 1) {
      await clinic.sql('INSERT INTO patients VALUES ($1, $2, $3)', [`${id}`, 't', clinic.row('x', 1, `p:t:${id}`)]);
    }
    await clinic.sql(`UPDATE patients SET ${tenantOf}`);
  };

  it.each([
    ['a column of the context', "tenant = repeat('x', 1100000) WHERE id = '7'", '7'],
    ['the key', "id = repeat('7', 100000) WHERE id = '7'", `${'7'.repeat(100)}… (100000 characters)`],
  ])('have a limit, and a row with more is listed: %s', async (_, set, key) => {
    await tenants(set);
    const [counted, report] = [await clinic.census(IN_TENANT), await clinic.reencrypt(IN_TENANT)];
    const listed = [{ key: [key], code: 'VALUE_TOO_LARGE' }];
    expect(counted).toMatchObject({ rows: 12, numbered: { 1: 11 }, unreadable: 1, listed });
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 11, left: 1 }, left: listed });
  });

  it('count in the bytes of a batch', async () => {
    await tenants("tenant = repeat('x', 60000) WHERE id <> '1'");
    let batches = 0;
    const report = await clinic.reencrypt(IN_TENANT, { batchBytes: 100_000, onBatch: () => (batches += 1) });
    expect(report).toMatchObject({ isFinished: true, totals: { readRows: 12, left: 11 } });
    expect(batches).toBeGreaterThanOrEqual(6);
  });
});

describe('triggers that are enabled in other ways', () => {
  beforeEach(async () => {
    await clinic.sql('DROP TABLE IF EXISTS audit; CREATE TABLE audit (id int)');
    await clinic.sql(`CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO audit VALUES (new.id); RETURN new; END $$`);
    await clinic.sql('CREATE TRIGGER audited AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION note()');
  });

  it('ENABLE REPLICA: it rests by itself, and skipping the others, which would set it off, is refused', async () => {
    await clinic.sql('ALTER TABLE patients ENABLE REPLICA TRIGGER audited');
    expect((await clinic.census(SPEC)).triggers).toEqual([
      {
        name: 'audited',
        does: 'AFTER UPDATE, function public.note()',
        firesOnFire: false,
        isUnskippable: true,
        isForeignKey: false,
      },
    ]);
    const error = await rejectionOf(clinic.reencrypt(SPEC, { triggers: 'skip' }));
    expect(error).toMatchObject({ code: 'TRIGGERS_UNDECIDED' });
    expect(error.message).toContain('audited on patients');
    expect((await clinic.reencrypt(SPEC)).totals.reencrypted).toBe(12);
    expect(await clinic.sql('SELECT * FROM audit')).toEqual([]);
  });

  it('ENABLE ALWAYS: it fires either way, and both are said', async () => {
    await clinic.sql('ALTER TABLE patients ENABLE ALWAYS TRIGGER audited');
    const error = await rejectionOf(clinic.reencrypt(SPEC));
    expect(error.message).toContain('fires with --triggers fire, fires with skip');
  });
});

it('limits that a trigger sets do not hold for the statements after it', async () => {
  const { Connection } = await import('../../../src/postgres/connection/database.ts');
  const session = await Connection.open(postgres);
  try {
    const set = "SELECT set_config('statement_timeout', '9000', true), set_config('lock_timeout', '9000', true)";
    const after = await session.transaction(async () => {
      await session.underOwnPath(() => session.rows(set), false);
      return session.rows("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')");
    });
    expect(after).toEqual([['0', '0']]);
  } finally {
    await session.close();
  }
});

it('nothing of a session is left behind for the next user of a pooled connection', async () => {
  const settings = 'SELECT name, setting FROM pg_settings ORDER BY name';
  const { Connection } = await import('../../../src/postgres/connection/database.ts');
  const session = await Connection.open(postgres);
  try {
    const before = await session.rows(settings);
    await session.transaction(() => session.rows('SELECT 1'), {
      settings: ["SET LOCAL session_replication_role = 'replica'"],
    });
    expect(await session.rows(settings)).toEqual(before);
    expect(await session.rows('SHOW session_replication_role')).toEqual([['origin']]);
  } finally {
    await session.close();
  }
});

describe('the job schema', () => {
  afterEach(() => clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; DROP OWNED BY intruder; DROP ROLE intruder'));
  beforeEach(async () => {
    await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
    await clinic.sql('CREATE ROLE intruder; GRANT CREATE ON DATABASE postgres TO intruder');
  });

  const refused = async (why: string) => {
    const before = await clinic.values('patients');
    const error = await rejectionOf(clinic.reencrypt(SPEC));
    expect(error).toMatchObject({ code: 'DATABASE_REFUSED' });
    expect(error.message).toContain(why);
    expect(await clinic.values('patients')).toEqual(before);
  };

  it('is refused where another role made it', async () => {
    await clinic.sql('SET ROLE intruder; CREATE SCHEMA pazpaz_keys; RESET ROLE');
    await refused('the schema belongs to intruder');
  });

  it('is refused where another role made one of its tables', async () => {
    await clinic.sql('CREATE SCHEMA pazpaz_keys; GRANT ALL ON SCHEMA pazpaz_keys TO intruder');
    await clinic.sql('SET ROLE intruder; CREATE TABLE pazpaz_keys.job (id bigint); RESET ROLE');
    await refused('job belongs to intruder');
  });

  it('is refused where a table has a trigger or a rule', async () => {
    await clinic.reencrypt(SPEC);
    await clinic.sql('GRANT USAGE ON SCHEMA pazpaz_keys TO intruder; GRANT TRIGGER ON pazpaz_keys.job TO intruder');
    await clinic.sql(
      'CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$',
    );
    await clinic.sql(
      'SET ROLE intruder; CREATE TRIGGER stolen BEFORE UPDATE ON pazpaz_keys.job FOR EACH ROW EXECUTE FUNCTION note(); RESET ROLE',
    );
    await refused('job has the trigger stolen');
  });

  it('of the role that a session has become is refused, where going back to the one that logged in would gain rights', async () => {
    await clinic.sql('GRANT ALL ON patients TO intruder; ALTER ROLE postgres SET role = intruder');
    try {
      await refused('it would belong to intruder, and the role that logged in is postgres');
      await clinic.sql('SET ROLE intruder; CREATE SCHEMA pazpaz_keys; RESET ROLE');
      await refused('the schema belongs to intruder');
    } finally {
      await clinic.sql('ALTER ROLE postgres RESET role');
    }
  });

  it.each([
    ['has no right of its own', '', true],
    ['is a member of another role too', 'CREATE ROLE boss; GRANT boss TO lent', false],
    ['may make roles', 'ALTER ROLE lent CREATEROLE', false],
    ['may connect, by a grant to it', 'GRANT CONNECT ON DATABASE postgres TO lent', true],
    ['may make schemas, by a grant to it', 'GRANT CREATE ON DATABASE postgres TO lent', false],
    ['has a table of its own', 'CREATE TABLE lents (); ALTER TABLE lents OWNER TO lent', false],
    ['may read a table, by a grant to it', 'CREATE TABLE lents (); GRANT SELECT ON lents TO lent', false],
  ])('of a role that several log in for is used where the one that logged in %s', async (_, more, isUsed) => {
    await clinic.sql('GRANT ALL ON patients TO intruder; CREATE ROLE lent LOGIN; GRANT intruder TO lent');
    await clinic.sql(`ALTER ROLE lent SET role = intruder; ${more}`);
    const url = postgres.url.replace('postgres@', 'lent@');
    try {
      const ran = await reencrypt({ url }, [SPEC], clinic.keys).catch((error: unknown) => error);
      if (isUsed) expect(ran).toMatchObject([{ isFinished: true }]);
      else expect(ran).toMatchObject({ code: 'DATABASE_REFUSED' });
    } finally {
      await clinic.sql(
        'DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; DROP TABLE IF EXISTS lents; DROP OWNED BY lent; DROP ROLE lent; DROP ROLE IF EXISTS boss',
      );
    }
  });

  it('is made for its owner alone', async () => {
    await clinic.reencrypt(SPEC);
    const [may] = await clinic.sql(
      "SELECT has_schema_privilege('intruder', 'pazpaz_keys', 'USAGE') AS use, has_table_privilege('intruder', 'pazpaz_keys.job', 'SELECT') AS read",
    );
    expect(may).toEqual({ use: false, read: false });
  });

  it('is made for its owner alone also where others get rights to all new tables and schemas', async () => {
    const defaults = (change: string) =>
      clinic.sql(
        ['TABLES', 'SCHEMAS']
          .map((of) => `ALTER DEFAULT PRIVILEGES ${change.replace('ALL', `ALL ON ${of}`)}`)
          .join(';'),
      );
    await defaults('GRANT ALL TO intruder WITH GRANT OPTION');
    await clinic.reencrypt(SPEC);
    await defaults('REVOKE ALL FROM intruder');
    const [may] = await clinic.sql(
      `SELECT has_schema_privilege('intruder', 'pazpaz_keys', 'USAGE') AS use,
              bool_or(has_table_privilege('intruder', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')) AS write
         FROM pg_class WHERE relnamespace = 'pazpaz_keys'::regnamespace AND relkind = 'r'`,
    );
    expect(may).toEqual({ use: false, write: false });
  });

  it.each([
    ['UPDATE ON pazpaz_keys.job TO intruder', 'intruder'],
    ['UPDATE (pause_while) ON pazpaz_keys.brake TO intruder', 'intruder'],
    ['TRUNCATE ON pazpaz_keys.left_row TO PUBLIC', 'PUBLIC'],
  ])('is refused where another role may write into it: %s', async (grant, writer) => {
    await clinic.reencrypt(SPEC);
    await clinic.sql(`GRANT ${grant}`);
    await refused(`${writer} may write into them`);
    const { message } = await rejectionOf(clinic.reencrypt(SPEC));
    await clinic.sql(/REVOKE .* CASCADE(?=\. )/.exec(message)?.[0] ?? 'SELECT');
    await clinic.sql('GRANT SELECT ON ALL TABLES IN SCHEMA pazpaz_keys TO intruder');
    expect(await clinic.reencrypt(SPEC)).toMatchObject({ isFinished: true });
  });
});
