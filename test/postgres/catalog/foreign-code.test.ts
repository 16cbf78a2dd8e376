import pg from 'pg';
import { census } from '../../../src/postgres/census.ts';
import { withColumns } from '../../../src/postgres/catalog/look-up-column.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';

/** Where code of a table's owner may hide that a statement of a superuser would run. */

let postgres: Postgres;
let clinic: Clinic;
let owner: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE ROLE own LOGIN');
});
afterAll(async () => {
  await owner.end();
  await postgres.stop();
});
beforeAll(async () => {
  await clinic.sql('GRANT CREATE ON SCHEMA public TO own');
  owner = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
  await owner.connect();
});

const EVIL = `CREATE FUNCTION evil(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN
    IF current_user <> 'own' THEN EXECUTE 'ALTER ROLE own SUPERUSER'; END IF;
    RETURN true;
  END $$;
  CREATE FUNCTION evil2(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT evil($1)';
  CREATE FUNCTION evil3(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT evil($1)::int * 0';
  CREATE DOMAIN dom AS int CHECK (evil(VALUE));
  CREATE DOMAIN sealed AS bytea CHECK (evil(length(VALUE)));
  CREATE TYPE pair AS (a int, b dom[]);
  CREATE TYPE span AS RANGE (subtype = dom);
  CREATE TYPE letter AS ENUM ('a');
  CREATE FUNCTION evil_letter(letter) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil(1); RETURN 'a'; END $$;
  CREATE FUNCTION evil_json(letter) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil(1); RETURN '1'; END $$;
  CREATE OPERATOR !=== (LEFTARG = int, RIGHTARG = int, FUNCTION = evil2, NEGATOR = ====);
  CREATE OPERATOR ==== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, NEGATOR = !===);
  CREATE OPERATOR >>>> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil2, COMMUTATOR = <<<<);
  CREATE OPERATOR <<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt, COMMUTATOR = >>>>)`;

beforeEach(async () => {
  await clinic.sql('ALTER ROLE own NOSUPERUSER');
  await clinic.sql('DROP OWNED BY own CASCADE');
  await clinic.sql('GRANT CREATE ON SCHEMA public TO own');
  await owner.query(EVIL);
});

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };
const TABLE = 'CREATE TABLE patients (id int PRIMARY KEY, notes bytea';

/** Adds a CHECK that names a type, table or function by its number, which leaves nothing in pg_depend. */
function checkOf(call: string, named: string): string {
  const number = named.endsWith(')') ? 'regprocedure' : named === 'dom' ? 'regtype' : 'regclass';
  return `DO $do$ BEGIN
    EXECUTE format($$ALTER TABLE patients ADD CHECK (${call} IS NOT NULL) NOT VALID$$, '${named}'::${number}::oid);
  END $do$`;
}

async function expectRefusal(name: string): Promise<void> {
  const error = await rejectionOf(clinic.census(SPEC));
  expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
  expect(error.message).toContain(name);
  await expectNoSuperuser();
}

async function expectNoSuperuser(): Promise<void> {
  const found = await clinic.sql<{ rolsuper: boolean }>("SELECT rolsuper FROM pg_roles WHERE rolname = 'own'");
  expect(found).toEqual([{ rolsuper: false }]);
}

test.each([
  ['the domain of the column', 'CREATE TABLE patients (id int PRIMARY KEY, notes sealed)', 'evil(integer)'],
  ['the domain of the key', 'CREATE TABLE patients (id dom PRIMARY KEY, notes bytea)', 'evil(integer)'],
  ['a key of arrays', 'CREATE TABLE patients (id dom[] PRIMARY KEY, notes bytea)', 'evil(integer)'],
  ['a composite of arrays', `${TABLE}, extra pair)`, 'evil(integer)'],
  ['a range', `${TABLE}, extra span)`, 'evil(integer)'],
  ['a generated column', `${TABLE}, g bool GENERATED ALWAYS AS (evil(length(notes))) STORED)`, 'evil(integer)'],
  ['a domain in a CHECK', `${TABLE}, CHECK ((id::dom) > 0))`, 'evil(integer)'],
  ['a domain in an index', `${TABLE}); CREATE INDEX ON patients ((id::dom))`, 'evil(integer)'],
  ['a negator', `${TABLE}); CREATE INDEX ON patients (id) WHERE NOT (id ==== 1)`, 'evil2(integer,integer)'],
  ['a commutator', `${TABLE}); CREATE INDEX ON patients (id) WHERE id <<<< 1`, 'evil2(integer,integer)'],
  [
    'the key of an ancestor',
    `CREATE TABLE top (id int NOT NULL, notes bytea) PARTITION BY RANGE ((id + evil3(0)));
     CREATE TABLE patients PARTITION OF top (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (100)`,
    'evil3(integer)',
  ],
  [
    'a cast to text',
    `CREATE CAST (letter AS text) WITH FUNCTION evil_letter(letter); ${TABLE}, extra letter)`,
    'evil_letter(public.letter)',
  ],
  [
    'a cast to json',
    `CREATE CAST (letter AS json) WITH FUNCTION evil_json(letter); ${TABLE}, extra letter, CHECK (to_json(extra) IS NOT NULL))`,
    'evil_json(public.letter)',
  ],
  [
    'a built-in function that runs SQL',
    `${TABLE}, CHECK (ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery WHERE evil(1)') IS NOT NULL))`,
    'ts_rewrite(tsquery,text)',
  ],
  [
    'a built-in function that changes the session',
    `${TABLE}, CHECK (set_config('session_replication_role', 'replica', true) IS NOT NULL))`,
    'set_config(text,text,boolean)',
  ],
  [
    'a query as XML',
    `${TABLE}, CHECK (query_to_xml('SELECT evil(1)', true, true, '') IS NOT NULL))`,
    'query_to_xml(text,boolean,boolean,text)',
  ],
  ['a type by its number', `${TABLE}); ${checkOf("domain_in('1', %s, -1)", 'dom')}`, 'domain_in(cstring,oid,integer)'],
  [
    'a key of partitions by the number of their table',
    `${TABLE}); CREATE TABLE parts (id int) PARTITION BY HASH ((id + evil3(0)));
     ${checkOf('satisfies_hash_partition(%s, 1, 0, 1)', 'parts')}`,
    'satisfies_hash_partition(oid,integer,integer,"any")',
  ],
  [
    'a key of partitions by the number of one of them',
    `${TABLE}); CREATE TABLE parts (id int) PARTITION BY RANGE ((id + evil3(0)));
     CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);
     ${checkOf('pg_get_partition_constraintdef(%s)', 'part')}`,
    'pg_get_partition_constraintdef(oid)',
  ],
  [
    'a function by its number',
    `${TABLE}); CREATE TYPE single AS (a dom); SET check_function_bodies = off;
     CREATE FUNCTION literal() RETURNS single LANGUAGE sql AS $$ SELECT '(1)'::single $$;
     ${checkOf('fmgr_sql_validator(%s)::text', 'literal()')}`,
    'fmgr_sql_validator(oid)',
  ],
  [
    'a negator that is a function of PostgreSQL',
    `CREATE OPERATOR ===== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
     CREATE OPERATOR !==== (LEFTARG = int, RIGHTARG = int, FUNCTION = pg_try_advisory_lock, NEGATOR = =====);
     ${TABLE}, CHECK (NOT (id ===== 1)))`,
    'pg_try_advisory_lock(integer,integer)',
  ],
])('code in %s is refused before it runs', async (_, statement, name) => {
  await owner.query(statement);
  await expectRefusal(name);
});

describe('a function of a superuser that', () => {
  const run = (volatility: string) => `CREATE FUNCTION random(text) RETURNS text LANGUAGE plpgsql ${volatility} AS $$
    BEGIN EXECUTE $1; RETURN NULL; END $$`;
  const called = `${TABLE}, CHECK (random('SELECT evil(1)') IS NULL))`;
  afterEach(() => clinic.sql('DROP FUNCTION IF EXISTS random(text) CASCADE; DROP FUNCTION IF EXISTS text_of CASCADE'));

  test('is volatile is refused in an expression of the owner before it runs', async () => {
    await clinic.sql(run('VOLATILE'));
    await owner.query(called);
    await expectRefusal('random(text)');
  });

  test('is volatile is refused in an operator of the owner', async () => {
    await clinic.sql(run('VOLATILE'));
    await owner.query(`CREATE OPERATOR !!!! (RIGHTARG = text, FUNCTION = random);
      ${TABLE}, CHECK ((!!!! 'SELECT evil(1)') IS NULL))`);
    await expectRefusal('random(text)');
  });

  test('is volatile is refused in a cast of the owner', async () => {
    await clinic.sql(`CREATE FUNCTION text_of(anyenum) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$`);
    await owner.query(`CREATE CAST (letter AS text) WITH FUNCTION text_of(anyenum); ${TABLE}, extra letter)`);
    await expectRefusal('text_of(anyenum)');
  });

  test('is stable may be called by an expression of the owner', async () => {
    await clinic.sql(run('STABLE'));
    await owner.query(called);
    expect(await clinic.census(SPEC)).toMatchObject({ rows: 0 });
  });

  test('is volatile may be called by an expression of the superuser', async () => {
    await clinic.sql(`${run('VOLATILE')}; ${called}`);
    expect(await clinic.census(SPEC)).toMatchObject({ rows: 0 });
    await clinic.sql('DROP TABLE patients');
  });
});

test('code in a type that JSON_VALUE returns is refused before it runs', async () => {
  // Since PostgreSQL 17.
  if ((await majorVersion(postgres)) < 17) return;
  await owner.query(`${TABLE}, CHECK (JSON_VALUE('1'::jsonb, '$' RETURNING dom) IS NOT NULL))`);
  await expectRefusal('evil(integer)');
});

describe('code in a policy', () => {
  beforeEach(() => clinic.sql('DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN'));
  afterEach(() => clinic.sql('DROP OWNED BY reader; DROP ROLE reader'));
  const counted = async (policy: string) => {
    await owner.query(`${TABLE}); ALTER TABLE patients ENABLE ROW LEVEL SECURITY; GRANT SELECT ON patients TO reader;
      CREATE VIEW seen AS SELECT 1 AS n WHERE evil(1); GRANT SELECT ON seen TO reader;
      CREATE POLICY hides ON patients USING (${policy})`);
    return census({ url: postgres.url.replace('postgres@', 'reader@') }, [SPEC], clinic.keys);
  };

  test.each([
    ['calls a function of the owner', 'evil(id)', 'evil(integer)'],
    ['changes the session', "set_config('a.b', 'c', true) IS NULL", 'set_config'],
    ['has a query', 'id IN (SELECT n FROM seen)', 'policy hides'],
  ])('that %s is refused before it runs', async (_, policy, name) => {
    const error = await rejectionOf(counted(policy));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toContain(name);
  });

  test('that only compares is applied, and the rows are not vouched for', async () => {
    const unseen = [expect.stringContaining('row security')];
    expect(await counted("id > 1 AND current_setting('a.b', true) IS NULL")).toMatchObject([{ unseen }]);
  });

  test('that does not hold for this user is no matter', async () => {
    await owner.query(`${TABLE}); ALTER TABLE patients ENABLE ROW LEVEL SECURITY;
      CREATE POLICY hides ON patients USING (evil(id))`);
    expect(await clinic.census(SPEC)).toMatchObject({ unseen: [] });
  });
});

test('code in a function of an extension over a type of the owner is refused before it runs', async () => {
  await clinic.sql('CREATE EXTENSION IF NOT EXISTS hstore');
  await owner.query(`${TABLE}); CREATE TYPE single AS (a dom);
    CREATE INDEX ON patients ((populate_record(NULL::single, 'a=>1'::hstore)))`);
  await expectRefusal('evil(integer)');
});

test('code in the key of partitions is not run by a look for unlisted columns', async () => {
  await owner.query(`CREATE TABLE patients (id int NOT NULL, notes bytea) PARTITION BY RANGE ((id + evil3(0)))`);
  const { skipped } = await findColumns(postgres, clinic.keys);
  expect(skipped).toMatchObject([{ table: 'public.patients' }]);
  await expectNoSuperuser();
});

test('types and expressions that call no code of another role are counted', async () => {
  await owner.query(`CREATE DOMAIN positive AS int CHECK (VALUE > 0 AND clock_timestamp() > 'epoch');
    CREATE TABLE patients (id positive PRIMARY KEY, notes bytea, kind letter, made uuid DEFAULT gen_random_uuid(),
      more bool DEFAULT evil(1), l int GENERATED ALWAYS AS (length(notes)) STORED, CHECK (abs(id) < 100))`);
  expect(await clinic.census(SPEC)).toMatchObject({ rows: 0 });
});

describe('whether code may be added at any time is known from the owner of', () => {
  const mayGainCode = async (table: string) => {
    await clinic.sql(table);
    return await withColumns({ url: postgres.url }, [SPEC], (_, [column]) => Promise.resolve(column?.mayGainCode));
  };

  afterEach(() => clinic.sql('DROP TABLE patients; DROP TYPE IF EXISTS colour'));

  test('a table of this user, and a type of its own', async () => {
    expect(await mayGainCode(`CREATE TYPE colour AS ENUM ('red'); ${TABLE}, extra colour[])`)).toBe(false);
  });

  test.each([
    ['a table', `${TABLE}); ALTER TABLE patients OWNER TO own`],
    ['an enum', `${TABLE}, extra letter)`],
    [
      'a range within arrays',
      `CREATE TYPE bare AS ENUM ('a'); ALTER TYPE bare OWNER TO own;
      CREATE TYPE bares AS RANGE (subtype = bare); ${TABLE}, extra bares[])`,
    ],
    ['an operator', `${TABLE}); CREATE INDEX ON patients (id) WHERE id >>>=== 1`],
  ])('%s', async (_, table) => {
    await owner.query('CREATE OPERATOR >>>=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4gt)');
    expect(await mayGainCode(table)).toBe(true);
  });
});

describe('code of the role that a login has become', () => {
  beforeEach(async () => {
    await owner.query(`CREATE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
      ${TABLE}, name text, slug text GENERATED ALWAYS AS (slug(name)) STORED)`);
    await clinic.sql('CREATE ROLE vault LOGIN IN ROLE own; ALTER ROLE vault SET role = own');
  });
  afterEach(() => clinic.sql('DROP OWNED BY vault; DROP ROLE vault'));
  const asVault = () => census({ url: postgres.url.replace('postgres@', 'vault@') }, [SPEC], clinic.keys);

  test('runs where going back to the login would gain nothing', async () => {
    expect(await asVault()).toMatchObject([{ rows: 0 }]);
  });

  test('runs where the group has every role that the login has', async () => {
    await clinic.sql('GRANT pg_monitor TO own, vault');
    expect(await asVault()).toMatchObject([{ rows: 0 }]);
    await clinic.sql('REVOKE pg_monitor FROM own, vault');
  });

  // Since PostgreSQL 16.
  test.each(['INHERIT FALSE, SET FALSE', 'INHERIT TRUE, SET FALSE'])(
    'is refused where the login may become a role that the group has WITH %s',
    async (options) => {
      if ((await majorVersion(postgres)) < 16) return;
      await clinic.sql(`GRANT pg_monitor TO vault; GRANT pg_monitor TO own WITH ${options}`);
      const error = await rejectionOf(asVault());
      await clinic.sql('REVOKE pg_monitor FROM own, vault');
      expect(error.message).toContain('the role that vault has become');
    },
  );

  test('is refused where the login may grant the group to others', async () => {
    await clinic.sql('GRANT own TO vault WITH ADMIN OPTION');
    expect((await rejectionOf(asVault())).message).toContain('the role that vault has become');
  });

  test('is refused where the login has a right of its own, with what helps', async () => {
    await clinic.sql('CREATE SCHEMA vaults AUTHORIZATION vault');
    const error = await rejectionOf(asVault());
    expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
    expect(error.message).toMatch(
      /slug\(text\), a function of own, the role that vault has become.* go back to vault \(RESET ROLE\).* Take these from vault/,
    );
  });
});
