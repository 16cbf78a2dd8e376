import { census } from '../../src/postgres/census.ts';
import { nestedKeys } from '../../src/postgres/nested/nested-ciphertext.ts';
import { reencrypt } from '../../src/postgres/job/reencrypt.ts';
import { oldBox } from '../format/support/old-application.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from './support/clinic.ts';
import { majorVersion, type Postgres } from './support/postgres.ts';
import { shadowEverything } from './support/shadows.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };

async function patients(count: number, number = 1): Promise<void> {
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: count }, (_, index) => clinic.row(`note ${index}`, number, `p:${index + 1}`)),
  );
}

function urlOf(role: string, query = ''): string {
  return `${postgres.url.replace('postgres@', `${role}@`)}${query}`;
}

/** How many functions a role has made in `public`. */
async function made(): Promise<number> {
  const [found] = await clinic.sql<{ count: number }>(
    "SELECT pg_catalog.count(*)::pg_catalog.int4 AS count FROM pg_catalog.pg_proc WHERE pronamespace = 'public'::pg_catalog.regnamespace",
  );
  return found?.count ?? 0;
}

async function makeRole(name: string): Promise<void> {
  await clinic.sql(`DO $$ BEGIN CREATE ROLE ${name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`);
}

describe('a role that may create in public', () => {
  const paths = ['"$user", public', 'public, pg_catalog', 'public, pg_catalog, pg_temp'];

  it.each(paths)('changes nothing by shadowing functions, operators, types and relations: path %s', async (path) => {
    await patients(50);
    await makeRole('app');
    await clinic.sql('GRANT CREATE ON SCHEMA public TO app');
    await shadowEverything(clinic, 'app');
    await clinic.sql(`ALTER ROLE postgres SET search_path = ${path}`);
    try {
      expect(await made()).toBeGreaterThan(300);
      expect(await clinic.census(SPEC)).toMatchObject({ rows: 50, numbered: { 1: 50 }, relation: 'public.patients' });
      const report = await clinic.reencrypt(SPEC, { batchRows: 7, rangeRows: 20 });
      expect(report.totals).toMatchObject({ reencrypted: 50, left: 0 });
      expect(await clinic.census(SPEC)).toMatchObject({ numbered: { 3: 50 } });
      expect(await clinic.sql('SELECT * FROM pg_catalog.pg_tables WHERE tablename = $1', ['was_called'])).toHaveLength(
        1,
      );
      expect(await clinic.sql('SELECT what FROM public.was_called')).toEqual([]);
      expect(await clinic.sql("SELECT FROM pg_catalog.pg_roles WHERE rolname = 'app' AND rolsuper")).toEqual([]);
    } finally {
      await clinic.sql('ALTER ROLE postgres RESET search_path');
      await clinic.sql('DROP OWNED BY app CASCADE');
      await clinic.sql('DROP ROLE app');
    }
  });

  it('cannot have its cast to text run with our rights', async () => {
    await makeRole('app');
    await clinic.sql('GRANT CREATE ON SCHEMA public TO app');
    await clinic.sql('SET ROLE app');
    await clinic.sql("CREATE TYPE mood AS ENUM ('a', 'b')");
    await clinic.sql("CREATE FUNCTION spelled(mood) RETURNS text LANGUAGE sql AS $$ SELECT 'forged' $$");
    await clinic.sql('CREATE CAST (mood AS text) WITH FUNCTION spelled(mood)');
    await clinic.sql('CREATE TABLE moods (id mood PRIMARY KEY, notes bytea)');
    await clinic.sql('RESET ROLE');
    try {
      const error = await rejectionOf(clinic.census({ table: 'moods', column: 'notes' }));
      expect(error).toMatchObject({ code: 'INVALID_COLUMN' });
      expect(error.message).toMatch(/spelled\(public\.mood\), a function of another role/);
    } finally {
      await clinic.sql('DROP OWNED BY app CASCADE');
      await clinic.sql('DROP ROLE app');
    }
  });
});

describe('which table is meant', () => {
  beforeAll(async () => {
    await patients(20);
    await clinic.sql('DROP SCHEMA IF EXISTS own CASCADE');
    await makeRole('own');
    await clinic.sql('CREATE SCHEMA own AUTHORIZATION own');
    await clinic.sql('GRANT SELECT ON public.patients TO own');
    await clinic.sql('SET ROLE own');
    await clinic.sql('CREATE TABLE own.patients (id int PRIMARY KEY, notes bytea)');
    await clinic.sql('RESET ROLE');
  });
  afterAll(async () => {
    await clinic.sql('DROP OWNED BY own CASCADE');
    await clinic.sql('DROP ROLE own');
  });

  it.each(['own', 'postgres'])(
    'a name that several schemas have is refused, with each of them: as %s',
    async (role) => {
      const error = await rejectionOf(census({ url: urlOf(role) }, [SPEC], clinic.keys));
      expect(error.code).toBe('INVALID_COLUMN');
      expect(error.message).toContain('public.patients (owner postgres)');
      expect(error.message).toContain('own.patients (owner own)');
    },
  );

  it('with its schema it is counted, and schema and owner are said', async () => {
    const specs = ['public.patients', 'own.patients'].map((table) => ({ ...SPEC, table }));
    expect(await census({ url: urlOf('own') }, specs, clinic.keys)).toMatchObject([
      { relation: 'public.patients', owner: 'postgres', rows: 20 },
      { relation: 'own.patients', owner: 'own', rows: 0 },
    ]);
  });

  it("obeys the schema of a URL, as Prisma's does", async () => {
    await clinic.sql('CREATE TABLE own.visits (id int PRIMARY KEY, notes bytea)');
    const url = urlOf('postgres', '?schema=own');
    const spec = { table: 'visits', column: 'notes' };
    expect(await census({ url }, [spec], clinic.keys)).toMatchObject([{ relation: 'own.visits' }]);
    await rejectionOf(clinic.census(spec));
  });
});

it('a NOT NULL that was never validated names no row (PostgreSQL 18)', async () => {
  if ((await majorVersion(postgres)) < 18) return;
  await clinic.sql('DROP TABLE IF EXISTS refs');
  await clinic.sql('CREATE TABLE refs (ref text UNIQUE, notes bytea)');
  for (let n = 1; n <= 30; n += 1) {
    await clinic.sql('INSERT INTO refs VALUES ($1, $2)', [n <= 10 ? null : `r${n}`, clinic.row('x', 1)]);
  }
  await clinic.sql('ALTER TABLE refs ADD CONSTRAINT nn NOT NULL ref NOT VALID');
  const spec = { table: 'refs', column: 'notes', key: ['ref'] };
  for (const count of [() => clinic.census(spec), () => clinic.reencrypt(spec)]) {
    const error = await rejectionOf(count());
    expect(error.code).toBe('INVALID_COLUMN');
    expect(error.message).toContain('VALIDATE CONSTRAINT');
  }
});

describe('an index whose order no longer fits the collation', () => {
  beforeEach(async () => {
    await clinic.sql('DROP TABLE IF EXISTS codes');
    await clinic.sql('CREATE TABLE codes (id text COLLATE "C" PRIMARY KEY, notes bytea)');
    const row = clinic.row('x', 1);
    await clinic.sql("INSERT INTO codes SELECT 'B-' || i, $1 FROM generate_series(1, 100) i", [row]);
    await clinic.sql("INSERT INTO codes SELECT 'a-' || i, $1 FROM generate_series(1, 100) i", [row]);
    await clinic.sql('SET allow_system_table_mods = on');
    const collation = `(SELECT oid FROM pg_collation WHERE collname = 'en-x-icu')`;
    await clinic.sql(
      `UPDATE pg_attribute SET attcollation = ${collation} WHERE attname = 'id' AND attrelid IN ('codes'::regclass, 'codes_pkey'::regclass)`,
    );
    await clinic.sql(
      `UPDATE pg_index SET indcollation = ${collation}::text::oidvector WHERE indrelid = 'codes'::regclass`,
    );
  });
  const spec = { table: 'codes', column: 'notes' };

  it('a census counts every row all the same', async () => {
    expect(await clinic.census(spec)).toMatchObject({ rows: 200, numbered: { 1: 200 } });
  });

  it('re-encryption stops and says why, and works once the index is rebuilt', async () => {
    // As the planner does with a large table.
    await clinic.sql('ALTER ROLE postgres SET enable_seqscan = off; ALTER ROLE postgres SET enable_sort = off');
    const error = await rejectionOf(clinic.reencrypt(spec, { batchRows: 50, rangeRows: 100 }));
    expect(error.code).toBe('INVALID_COLUMN');
    expect(error.message).toContain('REINDEX TABLE public.codes');
    await clinic.sql('REINDEX TABLE codes');
    const report = await clinic.reencrypt(spec, { batchRows: 50, rangeRows: 100 });
    expect(report.totals).toMatchObject({ reencrypted: 200, left: 0 });
    expect((await clinic.census(spec)).numbered).toEqual({ 3: 200 });
    await clinic.sql('ALTER ROLE postgres RESET ALL');
  });
});

describe('a ciphertext inside a plaintext', () => {
  const inner = () => clinic.row('inner', 1, 'p:1');
  const old = () => oldBox('older', { key: clinic.world.keyOf(1) });

  const FORMS: readonly (readonly [string, () => string])[] = [
    ['base64', () => inner().toString('base64')],
    ['base64 without padding, of URLs', () => inner().toString('base64url')],
    [
      'base64 over several lines',
      () =>
        (
          clinic
            .row('long '.repeat(40), 1)
            .toString('base64')
            .match(/.{1,76}/g) ?? []
        ).join('\n'),
    ],
    ['hexadecimal, as PostgreSQL writes it', () => `\\x${inner().toString('hex')}`],
    ['hexadecimal behind 0x', () => `0x${inner().toString('hex')}`],
    [
      'hexadecimal over several lines',
      () =>
        `Box:\n${(
          inner()
            .toString('hex')
            .match(/.{1,32}/g) ?? []
        ).join('\n')}\n.`,
    ],
    [
      'base64 over several lines of a text',
      () =>
        `Box:\r\n${(
          inner()
            .toString('base64')
            .match(/.{1,20}/g) ?? []
        ).join('\r\n')}`,
    ],
    ['base64 behind a prefix', () => `enc:${inner().toString('base64')}`],
    ['base64 glued to a prefix', () => `enc_${inner().toString('base64')}`],
    ['base64 glued into a text', () => `see${clinic.row('one', 1, 'p:1').toString('base64')}please`],
    [
      'JSON behind a byte order mark',
      () =>
        `\uFEFF${JSON.stringify({ x: inner().toString('base64') })
          .replaceAll('/', '\\/')
          .replaceAll('+', '\\u002b')}`,
    ],
    [
      'the name of a member with escapes',
      () =>
        JSON.stringify({ [inner().toString('base64')]: 1 })
          .replaceAll('/', '\\/')
          .replaceAll('+', '\\u002b'),
    ],
    [
      'a ciphertext inside a ciphertext',
      () => `a ${clinic.row(`b ${inner().toString('base64')}`, 2).toString('base64')}`,
    ],
    ['a member of JSON', () => JSON.stringify({ name: 'Ada', notes: inner().toString('base64') })],
    [
      'a member with escapes',
      () =>
        JSON.stringify({ n: [{ x: inner().toString('base64') }] })
          .replaceAll('/', '\\/')
          .replaceAll('+', '\\u002b'),
    ],
    ['JSON in a string of JSON', () => JSON.stringify({ json: JSON.stringify({ x: inner().toString('base64') }) })],
    ['a text around it', () => `see ${inner().toString('base64')}, please`],
    ['an older form', () => `v1:${old().toString('base64')}`],
    [
      'an older form in JSON',
      () => JSON.stringify({ version: 'v1', ciphertext: old().toString('base64'), algorithm: 'AES-256-GCM' }),
    ],
  ];

  it.each(FORMS)('is found with its key: as %s', (_, made) => {
    const found = nestedKeys(Buffer.from(made()), ['p:1'], clinic.keys);
    expect([...found]).toContain(1);
  });

  it('is counted by its key, whatever form it has', async () => {
    const rows = FORMS.map(([, made]) => clinic.row(made(), 3, 'p:1'));
    await clinic.table('patients', 'bytea', [...rows, clinic.row('plain', 3, 'p:1')]);
    expect(await clinic.census({ ...SPEC, context: 'p:1' })).toMatchObject({
      rows: rows.length + 1,
      numbered: { 3: rows.length + 1 },
      nested: { 1: rows.length },
      unreadable: 0,
    });
  });

  it('as bytes that are no text is counted too', async () => {
    const { encryptField } = await import('../../src/format/field.ts');
    const { toKeyNumber } = await import('../../src/format/key-number.ts');
    const row = encryptField(inner(), clinic.world.keyOf(3), 'p:1', { number: toKeyNumber(3) });
    await clinic.table('patients', 'bytea', [row]);
    expect(await clinic.census(SPEC)).toMatchObject({ numbered: { 3: 1 }, nested: { 1: 1 } });
  });

  it('counts a row under each key that opens one of several', async () => {
    const boxes = [1, 2].map((number) => clinic.row('inner', number, 'p:1').toString('base64'));
    await clinic.table('patients', 'bytea', [clinic.row(boxes.join(', '), 3, 'p:1')]);
    expect((await clinic.census(SPEC)).nested).toEqual({ 1: 1, 2: 1 });
  });

  it.each([
    ['of an object', (box: string) => JSON.stringify({ data: box, former: inner().toString('base64') })],
    [
      'of an object in a string',
      (box: string) => JSON.stringify(JSON.stringify({ data: box, former: [inner().toString('base64')] })),
    ],
    [
      'that is there twice in a string',
      (box: string) => JSON.stringify(`{"data":"${inner().toString('base64')}","data":"${box}"}`),
    ],
    ['beside an empty one', () => JSON.stringify({ data: '', former: inner().toString('base64') })],
  ])('in another member of jsonb is counted, too: %s', async (_, made) => {
    const box = clinic.row('now', 3, 'p:1').toString('base64');
    await clinic.table('patients', 'jsonb', [
      made(box),
      JSON.stringify({ data: clinic.row('now', 3, 'p:2').toString('base64') }),
    ]);
    expect(await clinic.census(SPEC)).toMatchObject({ rows: 2, nested: { 1: 1 }, unreadable: 0 });
  });

  it.each([
    ['one run', 'x'.repeat(1_000_000)],
    ['short lines', 'abcdefghij klmnopqrst\n'.repeat(50_000)],
    ['long lines', `${'a'.repeat(76)}\n`.repeat(4000)],
    ['escapes', JSON.stringify('\\'.repeat(300_000))],
  ])('is looked for in a time that grows with the text: %s', (_, text) => {
    const before = process.cpuUsage();
    expect(nestedKeys(Buffer.from(text), [], clinic.keys).size).toBe(0);
    // Its own time, which other processes do not lengthen; a search that tries every pair of places would take hours.
    expect(process.cpuUsage(before).user).toBeLessThan(30_000_000);
  });

  it('is not seen in what only looks like one', async () => {
    const texts = [
      'x'.repeat(200),
      'https://clinic.example/a/very/long/path/of/letters/and/slashes/that/is/no/base64',
      '{"a":"b"}',
      '{'.repeat(50),
    ];
    await clinic.table(
      'patients',
      'bytea',
      texts.map((text, index) => clinic.row(text, 3, `p:${index + 1}`)),
    );
    expect((await clinic.census(SPEC)).nested).toEqual({});
  });
});

it('values of any size are read one by one, and those beyond the limit are listed', async () => {
  await clinic.table('patients', 'text', []);
  const large = clinic.row('x'.repeat(3_000_000), 1, 'p:1').toString('base64');
  await clinic.sql('INSERT INTO patients VALUES (1, $1), (2, $1), (3, NULL)', [large]);
  await clinic.sql("INSERT INTO patients VALUES (4, repeat('x', 17 * 1024 * 1024))");
  const [count] = await census(postgres, [{ ...SPEC, context: 'p:1' }], clinic.keys);
  expect(count).toMatchObject({ rows: 4, nulls: 1, numbered: { 1: 2 }, unreadable: 1 });
  expect(count?.listed).toEqual([{ key: ['4'], code: 'VALUE_TOO_LARGE' }]);
  const [report] = await reencrypt(postgres, [{ ...SPEC, context: 'p:1' }], clinic.keys);
  expect(report?.totals).toMatchObject({ reencrypted: 2, nulls: 1, left: 1 });
  expect(report?.left).toEqual([{ key: ['4'], code: 'VALUE_TOO_LARGE' }]);
});
