import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printable } from '../../../src/cli/terminal/paint.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith } from '../../support/ring.ts';
import { until } from '../../support/until.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
const folder = mkdtempSync(join(tmpdir(), 'pazpaz-columns-'));
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
});
beforeEach(async () => {
  for (const schema of ['clinic', 'other'])
    await clinic.sql(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`);
});
afterEach(stopServices);
afterAll(() => {
  rmSync(folder, { recursive: true });
  return postgres.stop();
});

const TEN = Array.from({ length: 10 }, (_, at) => at);
const WAITS = 'SELECT FROM pg_locks WHERE NOT granted AND relation <> 0';
const base64 = (row: Buffer) => row.toString('base64');
const environment = () => ({ DATABASE_URL: postgres.url });

/** A table of `clinic` with one column of these values. */
async function column(name: string, type: string, values: readonly (string | Buffer | null)[]): Promise<void> {
  await clinic.sql(`CREATE TABLE clinic.${name} (id int GENERATED ALWAYS AS IDENTITY, v ${type})`);
  for (const value of values) await clinic.sql(`INSERT INTO clinic.${name} (v) VALUES ($1)`, [value]);
}

async function found(): Promise<readonly string[]> {
  const { columns, skipped } = await findColumns(postgres, clinic.keys);
  expect(skipped).toEqual([]);
  return columns.map(({ table, column, member }) => [table, column, member].filter(Boolean).join(' '));
}

type Held = readonly [kind: string, type: string, values: readonly (string | Buffer | null)[]];

/** One look at a table of each kind: the kinds whose column is found, and whatever else is. */
async function foundAmong(kinds: readonly Held[]): Promise<readonly string[]> {
  for (const [index, [, type, values]] of kinds.entries()) await column(`t${index}`, type, values);
  const kindOf = new Map(kinds.map(([kind], index) => [`clinic.t${index} v`, kind]));
  return (await found()).map((name) => kindOf.get(name) ?? name).sort();
}

describe('columns that hold ciphertexts are found', () => {
  const row = (at: number, context = `rows:${at}`) => clinic.row(`text ${at}`, (at % 3) + 1, context);

  it('whatever their type and the form of the data', async () => {
    await clinic.sql('CREATE DOMAIN clinic.secret AS bytea; CREATE DOMAIN clinic.note AS clinic.secret');
    const kinds: readonly Held[] = [
      ['bytes in a context', 'bytea', TEN.map((at) => row(at))],
      ['a domain over a domain', 'clinic.note', [row(1)]],
      ['base64 in a text', 'text', TEN.map((at) => base64(row(at)))],
      ['a varchar', 'varchar(500)', TEN.map((at) => base64(row(at)))],
      ['a char', 'char(500)', TEN.map((at) => base64(row(at)))],
      ['strings of json', 'json', TEN.map((at) => JSON.stringify(base64(row(at))))],
      ['strings of jsonb', 'jsonb', TEN.map((at) => JSON.stringify(base64(row(at))))],
      ['the usual member of jsonb', 'jsonb', TEN.map((at) => JSON.stringify({ data: base64(row(at)), at }))],
      ['older data', 'bytea', TEN.map((at) => oldBox(`older ${at}`, { key: clinic.world.keyOf(1) }))],
      ['number 0', 'bytea', TEN.map((at) => clinic.row('zero', 0, `rows:${at}`))],
      ['many that are NULL or empty', 'bytea', [...TEN.map(() => null), Buffer.alloc(0), row(1)]],
      ['few that open among others', 'text', [...TEN.map((at) => `plain text ${at}`), base64(row(1, ''))]],
    ];
    expect(await foundAmong(kinds)).toEqual(kinds.map(([kind]) => kind).sort());
  });

  it('another member of jsonb is named, and the rest of the object is not', async () => {
    const note = 'a long note that no one has ever encrypted, in words';
    await column('rows', 'jsonb', TEN.map((at) => JSON.stringify({ card: base64(row(at)), note, id: `${at}` }))); // prettier-ignore
    expect(await found()).toEqual(['clinic.rows v card']);
  });

  it('in a partitioned table, a domain and names that need quotes', async () => {
    await clinic.sql('CREATE DOMAIN clinic.secret AS bytea');
    await clinic.sql('CREATE TABLE clinic."Visits" (id int, "My Notes" clinic.secret) PARTITION BY RANGE (id)');
    await clinic.sql('CREATE TABLE clinic.visits_1 PARTITION OF clinic."Visits" FOR VALUES FROM (0) TO (100)');
    for (const at of TEN) await clinic.sql('INSERT INTO clinic."Visits" VALUES ($1, $2)', [at, row(at)]);
    expect(await found()).toEqual(['clinic."Visits" My Notes']);
  });

  it('in a schema with the name of that of the jobs, whose own columns are left out', async () => {
    await clinic.sql('CREATE SCHEMA pazpaz_keys; CREATE TABLE pazpaz_keys.job (options text, v bytea)');
    await clinic.sql('INSERT INTO pazpaz_keys.job VALUES ($1, $2)', [base64(row(1, '')), row(1, '')]);
    const names = await found();
    await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE');
    expect(names).toEqual(['pazpaz_keys.job v']);
  });

  it.each([300, 100_000])('behind %d other values in a table without statistics', async (others) => {
    await clinic.sql('CREATE TABLE clinic.rows (v bytea) WITH (autovacuum_enabled = off)');
    await clinic.sql("INSERT INTO clinic.rows SELECT 'plain text'::bytea FROM generate_series(1, $1::int)", [others]);
    await clinic.sql('INSERT INTO clinic.rows SELECT $1 FROM generate_series(1, $2::int)', [row(0, ''), others / 10]);
    expect(await found()).toEqual(['clinic.rows v']);
  });

  it('behind more rows than are read from the beginning of a table', async () => {
    await clinic.sql('CREATE TABLE clinic.rows (id int, v bytea)');
    await clinic.sql("INSERT INTO clinic.rows SELECT i, 'plain text'::bytea FROM generate_series(1, 8000) i");
    await clinic.sql('INSERT INTO clinic.rows SELECT i, $1 FROM generate_series(1, 12000) i', [row(0, '')]);
    await clinic.sql('ANALYZE clinic.rows');
    expect(await found()).toEqual(['clinic.rows v']);
  });
});

it('columns that hold none are not found', async () => {
  const hash = (at: number) => createHash('sha512').update(`${at}`).digest();
  const kinds: readonly Held[] = [
    ['words', 'text', TEN.map((at) => `a sentence of words, number ${at}, that is long enough`)],
    ['addresses', 'text', TEN.map((at) => `person${at}@hospital.example.org.and.so.on`)],
    ['hashes', 'bytea', TEN.map(() => Buffer.concat([Buffer.from([0x80]), randomBytes(31)]))],
    ['base64 of pictures', 'text', TEN.map((at) => base64(Buffer.concat([Buffer.from([0x89, 0x50]), hash(at)])))],
    ['objects', 'jsonb', TEN.map((at) => JSON.stringify({ name: `someone with a long name ${at}`, list: [1, 'a'] }))],
    ['JSON of other kinds', 'jsonb', ['1', 'null', '[]', '"short"', '{}', 'true']],
    ['short bytes', 'bytea', TEN.map(() => Buffer.concat([Buffer.from([1]), randomBytes(15)]))],
    ['nothing', 'bytea', []],
  ];
  expect(await foundAmong(kinds)).toEqual([]);
});

it('a table that cannot be looked at is named with the reason, and runs no code of its owner', async () => {
  await clinic.sql('DROP ROLE IF EXISTS looker; DROP ROLE IF EXISTS mallory');
  await clinic.sql('CREATE ROLE looker LOGIN; CREATE ROLE mallory; GRANT USAGE ON SCHEMA clinic TO looker');
  await clinic.sql('GRANT ALL ON SCHEMA other TO mallory; GRANT USAGE ON SCHEMA other TO looker');
  await column('closed', 'bytea', []);
  await clinic.sql(`SET ROLE mallory;
    CREATE TABLE other.trap (id int, v bytea);
    CREATE FUNCTION other.spy(bytea) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'code of mallory'; END $$;
    CREATE INDEX ON other.trap (id) WHERE other.spy(v);
    GRANT SELECT ON other.trap TO looker; RESET ROLE`);
  const { columns, skipped } = await findColumns({ url: postgres.url.replace('postgres@', 'looker@') }, clinic.keys);
  expect(columns).toEqual([]);
  expect(skipped).toEqual([
    { table: 'clinic.closed', reason: 'this user may not read it' },
    { table: 'other.trap', reason: expect.stringContaining('other.spy') as string },
  ]);
  await clinic.sql('DROP OWNED BY looker, mallory; DROP ROLE looker, mallory');
});

it('a table whose name another takes while it is locked is named, too', async () => {
  await column('rows', 'bytea', [clinic.row('kept', 1)]);
  await clinic.sql('BEGIN; ALTER TABLE clinic.rows RENAME TO kept; CREATE TABLE clinic.rows (id int, v bytea)');
  const looking = findColumns(postgres, clinic.keys);
  await until(async () => (await clinic.sql(WAITS)).length > 0);
  await clinic.sql('COMMIT');
  expect((await looking).skipped).toMatchObject([{ table: 'clinic.rows' }]);
});

it.each([
  ['leaves its table', 'ALTER TABLE clinic.last DETACH PARTITION clinic.part'],
  [
    'moves to a table that was looked at',
    `ALTER TABLE clinic.last DETACH PARTITION clinic.part;
     ALTER TABLE clinic.a ATTACH PARTITION clinic.part FOR VALUES FROM (0) TO (9)`,
  ],
])('a partition that %s meanwhile is found', async (_, statements) => {
  await clinic.sql(`CREATE TABLE clinic.a (id int, v bytea) PARTITION BY RANGE (id); CREATE TABLE clinic.b (v bytea);
    CREATE TABLE clinic.last (id int, v bytea) PARTITION BY RANGE (id);
    CREATE TABLE clinic.part PARTITION OF clinic.last FOR VALUES FROM (0) TO (9)`);
  await clinic.sql('INSERT INTO clinic.last VALUES (1, $1)', [clinic.row('kept', 1)]);
  await clinic.sql('BEGIN; LOCK TABLE clinic.b');
  const looking = findColumns(postgres, clinic.keys);
  await until(async () => (await clinic.sql(WAITS)).length > 0);
  await clinic.sql(statements);
  await clinic.sql('COMMIT');
  expect((await looking).columns).toMatchObject([{ column: 'v', opened: 1 }]);
});

it('a table whose schema takes the name of another is not looked at in its place', async () => {
  await clinic.sql('CREATE TABLE other.rows (v bytea); CREATE TABLE clinic.rows (v bytea)');
  await clinic.sql('INSERT INTO clinic.rows VALUES ($1)', [clinic.row('kept', 1)]);
  const asked = Reflect.get(Connection.prototype, 'rows');
  const rows = jest.spyOn(Connection.prototype, 'rows');
  rows.mockImplementation(async function (this: Connection, text, values) {
    if (text.includes('clinic.rows t TABLESAMPLE')) {
      rows.mockRestore();
      await clinic.sql('ALTER SCHEMA clinic RENAME TO away; ALTER SCHEMA other RENAME TO clinic');
    }
    return asked.call(this, text, values);
  });
  const { columns, skipped } = await findColumns(postgres, clinic.keys);
  await clinic.sql('ALTER SCHEMA clinic RENAME TO other; ALTER SCHEMA away RENAME TO clinic');
  expect(columns).toEqual([]);
  const reason = expect.stringContaining('replaced') as string;
  expect(skipped).toMatchObject([{ table: 'clinic.rows', reason }, { table: 'other.rows' }]);
});

function sealed(text: string, context: string): Buffer {
  return encryptField(text, keyOf(3), context, { number: toKeyNumber(3) });
}

it('columns --find prints a file that census takes', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  await column('rows', 'bytea', TEN.map((at) => sealed(`${at}`, ''))); // prettier-ignore
  await clinic.sql('ALTER TABLE clinic.rows ADD PRIMARY KEY (id)');
  await column('cards', 'jsonb', TEN.map((at) => JSON.stringify({ card: base64(sealed(`${at}`, 'x')) }))); // prettier-ignore
  const ran = await pazpazKeys(ring, ['columns', '--find'], { environment: environment() });
  expect(ran).toMatchObject({
    exitCode: 0,
    stdout: '[\n  {"table":"clinic.cards","column":"v","member":"card"},\n  {"table":"clinic.rows","column":"v"}\n]\n',
  });
  expect(ran.stderr).toContain('clinic.cards.v->card do not open without a context');
  const file = join(folder, 'columns.json');
  writeFileSync(file, JSON.stringify([(JSON.parse(ran.stdout) as unknown[])[1]]));
  expect(await pazpazKeys(ring, ['census', '--columns', file], { environment: environment() })).toMatchObject({
    exitCode: 0,
  });
  const json = await pazpazKeys(ring, ['columns', '--find', '--json'], { environment: environment() });
  expect(asDescribed('columns', json.stdout)).toMatchObject({
    result: { columns: [{ member: 'card' }, { opened: 10 }] },
  });
});

it('columns --find prints a file that names columns with characters that no screen shows', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  await clinic.sql('CREATE TABLE clinic."a\u202eb\u001b[31m" (id int PRIMARY KEY, "n\u200bv" bytea)');
  await clinic.sql('INSERT INTO clinic."a\u202eb\u001b[31m" VALUES (1, $1)', [sealed('1', '')]);
  const ran = await pazpazKeys(ring, ['columns', '--find'], { environment: environment() });
  expect(printable(ran.stdout)).toBe(ran.stdout);
  expect(JSON.parse(ran.stdout)).toEqual([{ table: 'clinic."a\u202eb\u001b[31m"', column: 'n\u200bv' }]);
});

describe('doctor, with a list of columns', () => {
  const listed = ['--table', 'clinic.rows', '--column', 'v'];
  const columnCheck = async (args: readonly string[], around: object = {}) => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.enableRotation();
    const ran = await pazpazKeys(ring, ['doctor', '--json', ...args], { environment: environment(), ...around });
    const { result } = asDescribed('doctor', ran.stdout) as { result: { checks: { code: string }[] } };
    return { exitCode: ran.exitCode, found: result.checks.find(({ code }) => code === 'unlisted-column') };
  };
  beforeEach(async () => {
    await clinic.sql('SET search_path = clinic');
    await column('rows', 'bytea', [sealed('listed', '')]);
  });

  it('names a column that looks encrypted and is not listed, with the keys that open it', async () => {
    await column('cards', 'jsonb', TEN.map((at) => JSON.stringify({ card: base64(sealed(`${at}`, '')) }))); // prettier-ignore
    const { exitCode, found } = await columnCheck(listed);
    expect({ exitCode, found }).toMatchObject({
      exitCode: 1,
      found: {
        outcome: 'found',
        findings: [
          {
            text: expect.stringMatching(/^clinic\.cards\.v->card: 10 of 10 .* with key 3\. Add it/) as string,
            next: ['pazpaz-keys columns --find'],
          },
        ],
      },
    });
  });

  it('finds nothing where every column is listed, and looks only where a list is given', async () => {
    expect(await columnCheck(listed)).toMatchObject({ exitCode: 0, found: { outcome: 'fine' } });
    expect(await columnCheck([])).toEqual({ exitCode: 0, found: undefined });
  });

  it('takes a listed name as SQL does', async () => {
    await clinic.sql('CREATE SCHEMA IF NOT EXISTS "Old"; DROP TABLE IF EXISTS "Old"."Rows"');
    await clinic.sql('CREATE TABLE "Old"."Rows" (id int, v bytea)');
    await clinic.sql('INSERT INTO "Old"."Rows" VALUES (1, $1)', [sealed('old', '')]);
    const file = join(folder, 'columns.json');
    const columns = [{ table: 'CLINIC.Rows', column: 'v' }, { table: '"Old"."Rows"', column: 'v' }]; // prettier-ignore
    writeFileSync(file, JSON.stringify(columns));
    expect(await columnCheck(['--columns', file])).toMatchObject({ found: { outcome: 'fine' } });
    writeFileSync(file, JSON.stringify([...columns.slice(0, 1), { table: 'gone', column: 'v' }]));
    expect(await columnCheck(['--columns', file])).toMatchObject({ found: { findings: [{}] } });
    await clinic.sql('DROP SCHEMA "Old" CASCADE');
  });

  it('says what it could not look at', async () => {
    await clinic.sql('DROP ROLE IF EXISTS looker; CREATE ROLE looker LOGIN; GRANT USAGE ON SCHEMA clinic TO looker');
    const around = { environment: { DATABASE_URL: postgres.url.replace('postgres@', 'looker@') } };
    expect(await columnCheck(listed, around)).toMatchObject({
      exitCode: 0,
      found: { outcome: 'not checked', how: 'Not looked at: clinic.rows (this user may not read it)' },
    });
    await clinic.sql('DROP OWNED BY looker; DROP ROLE looker');
    const unclear = { environment: { DATABASE_URL: 'postgres://a:b/c@d/e' } };
    const ring = await ringWith(1, current(2));
    expect(await pazpazKeys(ring, ['doctor', ...listed], unclear)).toMatchObject({ exitCode: 2 });
    const nowhere = { environment: { DATABASE_URL: 'postgres://postgres@127.0.0.1:1/x' } };
    expect(await columnCheck(listed, nowhere)).toMatchObject({ exitCode: 3, found: { outcome: 'not checked' } });
  });
});
