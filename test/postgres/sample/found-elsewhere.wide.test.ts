import { createHash } from 'node:crypto';
import pg from 'pg';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith } from '../../support/ring.ts';
import { patientRow } from '../support/patients.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/** Ciphertexts where neither census nor reencrypt can read them: `retire` names the place, or says that it did not look. */

jest.setTimeout(60_000);

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE EXTENSION hstore');
});
beforeEach(makePatients);
afterEach(stopServices);
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => postgres.stop());

async function makePatients(): Promise<void> {
  await clinic.sql('DROP SCHEMA IF EXISTS clinic CASCADE; CREATE SCHEMA clinic');
  await clinic.sql('CREATE TABLE clinic.patients (id int PRIMARY KEY, notes bytea)');
  await clinic.sql('INSERT INTO clinic.patients VALUES (1, $1)', [patientRow('note', 3, 1)]);
}

const COLUMN = ['--table', 'clinic.patients', '--column', 'notes', '--context', 'patients:{id}:notes'];

async function agedRing() {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  return ring;
}

/** Runs `retire 1` as a role. */
async function retire(flags: readonly string[] = [], role = 'postgres') {
  const ring = await agedRing();
  const before = ring.snapshot;
  const url = postgres.url.replace('postgres@', `${role}@`);
  const ran = await pazpazKeys(ring, ['retire', '1', '--yes', ...COLUMN, ...flags], {
    environment: { DATABASE_URL: url },
  });
  return { ...ran, isUnchanged: ring.snapshot === before };
}

const hex = (row: Buffer) => row.toString('hex');
const base64 = (row: Buffer) => row.toString('base64');
const percentEncoded = (character: string) => `%${character.charCodeAt(0).toString(16)}`;
const value = () => patientRow('kept', 1, 9);
const TEN = Array.from({ length: 10 }, (_, at) => at);

/** Columns by what a ciphertext is in, with the columns that are beside each. */
const PLACES: readonly (readonly [string, string, (row: Buffer) => string, string])[] = [
  ['an array of bytes', 'bytea[]', (row) => `{"\\\\x${hex(row)}"}`, ''],
  ['an array of arrays of text', 'text[][]', (row) => `{{a,${base64(row)}}}`, ''],
  ['hstore', 'hstore', (row) => `a=>1, note=>"${base64(row)}"`, ''],
  ['xml', 'xml', (row) => `<note>${base64(row)}</note>`, ''],
  ['a composite type with a field that is NULL', 'clinic.pair', (row) => `(,"\\\\x${hex(row)}")`, ''],
  ['an array of a composite type', 'clinic.pair[]', (row) => `{"(1,\\\\\\\\x${hex(row)})"}`, ''],
  ['a range of text', 'clinic.span', (row) => `["${base64(row)}",)`, ''],
  ['a domain over an array', 'clinic.list', (row) => `{${base64(row)}}`, ''],
  ['a name', 'clinic.names', (row) => `{${base64(row).slice(0, 20)},${base64(row)}}`, ''],
  ['an array in json', 'json', (row) => JSON.stringify(['a', { b: base64(row) }]), ''],
  ['a member of a member of jsonb', 'jsonb', (row) => JSON.stringify({ a: { b: base64(row) } }), ''],
  ['a text with a prefix', 'text', (row) => `enc_${base64(row)}`, ''],
  ['a text around it', 'text', (row) => `see "${base64(row)}", please`, ''],
  ['a Buffer in jsonb', 'jsonb', (row) => JSON.stringify({ a: row }), ''],
  ['a Uint8Array in JSON in text', 'text', (row) => JSON.stringify({ a: new Uint8Array(row) }), ''],
  ['an array of integers', 'int[]', (row) => `{${row.join()}}`, ''],
  ['an array of arrays of small integers', 'smallint[]', (row) => `{{${row.join()}}}`, ''],
  ['a domain over an array of bigint', 'clinic.bytes', (row) => `{${row.join()}}`, ''],
  ['a URL', 'text', (row) => `https://clinic.example/open?t=${base64(row).replace(/^./, percentEncoded)}`, ''],
  ['JSON in bytes', 'bytea', (row) => JSON.stringify({ v: base64(row) }), ''],
  [
    'a full-text column beside it',
    'text',
    (row) => `v=${base64(row)}`,
    ', w tsvector, n numeric, r int4range, m int[]',
  ],
];

describe('a ciphertext is found in the context of a listed column', () => {
  let refused: Awaited<ReturnType<typeof retire>>;
  beforeAll(async () => {
    await makePatients();
    await clinic.sql(`CREATE TYPE clinic.pair AS (n int, b bytea); CREATE TYPE clinic.span AS RANGE (subtype = text);
      CREATE DOMAIN clinic.list AS text[]; CREATE DOMAIN clinic.names AS text[];
      CREATE DOMAIN clinic.bytes AS bigint[]`);
    for (const [index, [, type, spell, more]] of PLACES.entries()) {
      await clinic.sql(`CREATE TABLE clinic.other_${index} (id int${more}, v ${type})`);
      const made = spell(value());
      await clinic.sql(`INSERT INTO clinic.other_${index} (id, v) VALUES (9, $1), (10, NULL)`, [
        type === 'bytea' ? Buffer.from(made) : made,
      ]);
    }
    refused = await retire();
  });

  it('and stops a retirement', () => {
    expect(refused).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(refused.stderr).toContain('ROWS_STILL_NEED_KEY');
  });

  it.each(PLACES.map(([place], index) => [place, index] as const))('in %s', (_, index) => {
    expect(refused.stderr).toMatch(new RegExp(`ROWS_STILL_NEED_KEY[^]*clinic\\.other_${index}\\.v\\s\\(`));
  });
});

it('a large ciphertext among a few values is read to its end', async () => {
  const large = patientRow('x'.repeat(200_000), 1, 9);
  await clinic.sql('CREATE TABLE clinic.bytes (id int, v bytea); CREATE TABLE clinic.base64 (id int, v text)');
  for (const value of [large, Buffer.alloc(40, 0xfe), Buffer.alloc(40, 0xfd)]) {
    await clinic.sql('INSERT INTO clinic.bytes VALUES (9, $1)', [value]);
    await clinic.sql('INSERT INTO clinic.base64 VALUES (9, $1)', [base64(value)]);
  }
  const { stderr } = await retire();
  for (const name of ['bytes', 'base64'])
    expect(stderr).toMatch(new RegExp(`ROWS_STILL_NEED_KEY[^]*clinic\\.${name}\\.v`));
});

it('an array of bytes in contexts that are not known is named, too', async () => {
  await clinic.sql('CREATE TABLE clinic.other (n int, v bytea[])');
  for (const at of [1, 2]) await clinic.sql('INSERT INTO clinic.other VALUES ($1, $2)', [at, [patientRow('x', 1, at)]]);
  const ran = await retire();
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  expect(ran.stderr).toMatch(/NO_CENSUS[^]*clinic\.other\.v\s\(bytea\[\]\)/);
});

it.each([2, 200])(
  'bytes that PostgreSQL itself has escaped in contexts that are not known are named: %d rows',
  async (rows) => {
    await clinic.sql('CREATE TABLE clinic.rows (id int, v bytea)');
    for (let id = 2; id < 2 + rows; id += 1) await clinic.sql('INSERT INTO clinic.rows VALUES ($1, $2)', [id, patientRow('x', 1, id)]); // prettier-ignore
    await clinic.sql("SET bytea_output = 'escape'");
    const spellings = ['v::text', "encode(v, 'escape')", 'r::text', 'row_to_json(r)::text', 'to_jsonb(r)'];
    for (const [index, spelling] of spellings.entries())
      await clinic.sql(`CREATE TABLE clinic.was_${index} AS SELECT ${spelling} AS v FROM clinic.rows r`);
    await clinic.sql('RESET bytea_output; DROP TABLE clinic.rows');
    const ran = await retire();
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    for (const index of spellings.keys())
      expect(ran.stderr).toMatch(new RegExp(`NO_CENSUS[^]*clinic\\.was_${index}\\.v`));
  },
);

it('a few ciphertexts in a context that is not known stop a retirement among many values', async () => {
  const others = Array.from({ length: 60 }, (_, at) => createHash('sha512').update(`${at}`).digest());
  const kinds: readonly (readonly [string, string, (row: Buffer) => Buffer | string, number])[] = [
    ['bytes', 'bytea', (row) => row, 1],
    ['zero', 'bytea', (row) => row, 0],
    ['base64', 'text', base64, 1],
    ['letters', 'text', (row) => `enc_v1_${base64(row)}`, 1],
    ['member', 'jsonb', (row) => JSON.stringify({ a: 'b', c: [base64(row)] }), 1],
  ];
  for (const [name, type, spell, number] of kinds) {
    await clinic.sql(`CREATE TABLE clinic.${name} (is_ours bool, v ${type})`);
    const rows = TEN.map((at) => encryptField('card', keyOf(1), `cards:${at}`, { number: number && toKeyNumber(1) }));
    for (const value of [...rows, ...others])
      await clinic.sql(`INSERT INTO clinic.${name} VALUES ($1, $2)`, [rows.includes(value), spell(value)]);
  }
  const ran = await retire();
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  for (const [name] of kinds) expect(ran.stderr).toMatch(new RegExp(`NO_CENSUS[^]*clinic\\.${name}\\.v`));
  for (const [name] of kinds) await clinic.sql(`DELETE FROM clinic.${name} WHERE is_ours`);
  expect(await retire()).toMatchObject({ exitCode: 0 });
});

describe('copies of a listed table', () => {
  const copies = (name: string) => `AS SELECT 9 AS id, '\\x${hex(value())}'::bytea AS notes ${name}`;

  it('in a materialized view stop a retirement, and no longer when it is refreshed', async () => {
    await clinic.sql('INSERT INTO clinic.patients VALUES (9, $1)', [value()]);
    await clinic.sql('CREATE MATERIALIZED VIEW clinic.copy AS SELECT * FROM clinic.patients');
    await clinic.sql('UPDATE clinic.patients SET notes = $1 WHERE id = 9', [patientRow('kept', 3, 9)]);
    const ran = await retire();
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(ran.stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.copy\.notes\s\(a\smaterialized\sview\)/);
    await clinic.sql('REFRESH MATERIALIZED VIEW clinic.copy');
    expect((await retire()).stderr.replace(/\s+/g, ' ')).toMatch(
      /NO_CENSUS .* refresh a materialized view after its tables/,
    );
    expect(await retire(['--unlisted-is-fine'])).toMatchObject({ exitCode: 0 });
  });

  it('in a materialized view without data do not', async () => {
    await clinic.sql(`CREATE MATERIALIZED VIEW clinic.copy ${copies('WITH NO DATA')}`);
    expect(await retire()).toMatchObject({ exitCode: 0 });
  });

  it('in a table made of it stop a retirement', async () => {
    await clinic.sql(`CREATE TABLE clinic.copy ${copies('')}`);
    expect((await retire()).stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.copy\.notes\./);
  });

  it('in a child table by inheritance stop a retirement', async () => {
    await clinic.sql(
      'CREATE TABLE clinic.parent (id int, notes bytea); CREATE TABLE clinic.child () INHERITS (clinic.parent)',
    );
    await clinic.sql('INSERT INTO clinic.child VALUES (9, $1)', [value()]);
    expect((await retire()).stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.child\.notes\./);
  });

  it('in a generated column that is stored stop a retirement only where they need the key', async () => {
    await clinic.sql(`CREATE TABLE clinic.copy (id int, v text GENERATED ALWAYS AS ('${base64(value())}') STORED)`);
    await clinic.sql('INSERT INTO clinic.copy VALUES (9)');
    expect((await retire()).stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.copy\.v\s\(a\sgenerated\scolumn\)/);
    await clinic.sql(
      `DROP TABLE clinic.copy; ALTER TABLE clinic.patients ADD v bytea GENERATED ALWAYS AS (notes) STORED`,
    );
    expect(await retire()).toMatchObject({ exitCode: 0 });
  });

  it('in a partition that is being detached stop a retirement', async () => {
    await clinic.sql(`CREATE TABLE clinic.all (id int, notes bytea) PARTITION BY RANGE (id);
      CREATE TABLE clinic.part PARTITION OF clinic.all FOR VALUES FROM (0) TO (99)`);
    await clinic.sql('INSERT INTO clinic.all VALUES (9, $1)', [value()]);
    const [reader, owner] = [
      new pg.Client({ connectionString: postgres.url }),
      new pg.Client({ connectionString: postgres.url }),
    ];
    await Promise.all([reader.connect(), owner.connect()]);
    await reader.query('BEGIN; SELECT FROM clinic.all');
    await owner.query("SET statement_timeout = '1s'");
    await expect(owner.query('ALTER TABLE clinic.all DETACH PARTITION clinic.part CONCURRENTLY')).rejects.toThrow();
    await reader.query('COMMIT');
    await Promise.all([reader.end(), owner.end()]);
    expect(await clinic.sql('SELECT FROM clinic.all')).toEqual([]);
    expect((await retire()).stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.part\.notes/);
  });
});

describe('where no look is possible', () => {
  beforeEach(() =>
    clinic.sql(`DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN IN ROLE pg_read_all_stats; GRANT USAGE ON SCHEMA clinic TO clerk;
      GRANT SELECT ON clinic.patients TO clerk`),
  );
  afterEach(() => clinic.sql('DROP OWNED BY clerk; DROP ROLE clerk'));

  it('a foreign table is named', async () => {
    await clinic.sql(`CREATE FOREIGN DATA WRAPPER none; CREATE SERVER other FOREIGN DATA WRAPPER none;
      CREATE FOREIGN TABLE clinic.far (id int, notes bytea) SERVER other;
      CREATE TABLE clinic.parts (id int, notes bytea) PARTITION BY RANGE (id);
      CREATE FOREIGN TABLE clinic.away PARTITION OF clinic.parts FOR VALUES FROM (0) TO (9) SERVER other`);
    const ran = await retire();
    await clinic.sql('DROP FOREIGN DATA WRAPPER none CASCADE');
    for (const named of [/clinic\.far\s\(a\sforeign\stable/, /clinic\.parts\s\(it\shas\sforeign\stables/])
      expect(ran.stderr).toMatch(named);
    expect(ran.stderr).toContain('NO_CENSUS');
  });

  it('large objects are looked at, and named where they may not be', async () => {
    await clinic.sql('SELECT lo_from_bytea(0, $1)', [encryptedNowhere()]);
    expect((await retire()).stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*pg_largeobject\.data\s\(large\sobjects\)/);
    expect((await retire([], 'clerk')).stderr).toMatch(/NO_CENSUS[^]*pg_largeobject\s\(this\suser\smay\snot/);
    await clinic.sql('SELECT lo_unlink(oid) FROM pg_largeobject_metadata');
    expect(await retire([], 'clerk')).toMatchObject({ exitCode: 0 });
  });

  /** The listing of the look itself: there is one before, and two of the search for values that cannot be looked at. */
  const LISTED = "c.relkind IN ('r', 'p', 'm', 'f')";
  /** Between the listing and the lock. */
  const LOOKED_UP = "c.relkind IN ('r', 'p') AND has_table_privilege";

  it.each([
    ['the right to a table is taken away', LISTED, 'REVOKE SELECT ON clinic.closed FROM clerk'],
    ['the right to its schema is taken away', LISTED, 'REVOKE USAGE ON SCHEMA shut FROM clerk'],
    ['a policy hides its rows', LISTED, 'ALTER TABLE clinic.closed ENABLE ROW LEVEL SECURITY'],
    ['an index calls a function of another role', LISTED, 'CREATE INDEX ON clinic.closed (id) WHERE clinic.spy(id)'],
    ['a table is made that may not be read', LISTED, 'CREATE TABLE clinic.fresh (v bytea)'],
    ['a table gets another name', LOOKED_UP, 'ALTER TABLE clinic.closed RENAME TO moved'],
    [
      'a table becomes a partition of one that may not be read',
      LISTED,
      'ALTER TABLE clinic.above ATTACH PARTITION clinic.closed FOR VALUES FROM (0) TO (99)',
    ],
  ])('it is refused even where skipped tables are accepted, if meanwhile %s', async (_, statement, act) => {
    await clinic.sql(`DROP SCHEMA IF EXISTS shut CASCADE; CREATE SCHEMA shut; GRANT USAGE ON SCHEMA shut TO clerk;
      CREATE TABLE clinic.closed (id int, notes bytea); CREATE TABLE shut.t (id int, notes bytea);
      CREATE TABLE clinic.above (id int, notes bytea) PARTITION BY RANGE (id);
      CREATE FUNCTION clinic.spy(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
      DROP ROLE IF EXISTS mallory; CREATE ROLE mallory; ALTER FUNCTION clinic.spy(int) OWNER TO mallory;
      GRANT SELECT ON clinic.closed, shut.t TO clerk`);
    const [table] = await clinic.sql<{ id: string }>("SELECT 'clinic.closed'::regclass::oid::text AS id");
    let times = 0;
    const name = statement === LISTED ? 'rowsByPlan' : 'rows';
    const rows = Reflect.get(Connection.prototype, name) as (...args: readonly unknown[]) => Promise<never>;
    jest.spyOn(Connection.prototype, name).mockImplementation(async function (this: Connection, ...args) {
      const [text, values] = args;
      const isIt = text.includes(statement) && (statement === LISTED || values?.[0] === table?.id);
      if (isIt && (times += 1) === (statement === LISTED ? 4 : 2)) {
        await clinic.sql(act);
      }
      return rows.apply(this, args);
    });
    const ran = await retire(['--skipped-is-fine'], 'clerk');
    jest.restoreAllMocks();
    expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
    expect(ran.stderr).toMatch(/NO_CENSUS[^]*altered\ssince\sthis\sbegan[^]*(closed|shut\.t|above|fresh)/);
    if (statement !== LISTED || process.env['EXPLORE'] === 'deep')
      expect(await retire(['--skipped-is-fine'], 'clerk')).toMatchObject({ exitCode: 0 });
    await clinic.sql('DROP SCHEMA shut, clinic CASCADE; CREATE SCHEMA clinic; DROP ROLE mallory');
  });
});

it.each([
  [
    'named as that of the jobs is looked through',
    'GRANT USAGE ON SCHEMA pazpaz_keys TO clerk; GRANT SELECT ON pazpaz_keys.job TO clerk',
    /ROWS_STILL_NEED_KEY[^]*pazpaz_keys\.job\.options/,
  ],
  ['named as that of the jobs and closed is not passed over', '', /NO_CENSUS[^]*pazpaz_keys\.job/],
])('a schema of another role %s', async (_, grant, refusal) => {
  await clinic.sql(`CREATE ROLE clerk LOGIN IN ROLE pg_read_all_stats; CREATE ROLE mallory;
    GRANT CREATE ON DATABASE postgres TO mallory;
    GRANT USAGE ON SCHEMA clinic TO clerk; GRANT SELECT ON clinic.patients TO clerk; SET ROLE mallory;
    CREATE SCHEMA pazpaz_keys; CREATE TABLE pazpaz_keys.job (id int, options text); RESET ROLE; ${grant}`);
  await clinic.sql('INSERT INTO pazpaz_keys.job VALUES (9, $1)', [base64(value())]);
  const ran = await retire([], 'clerk');
  await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE; DROP OWNED BY clerk, mallory; DROP ROLE clerk, mallory');
  expect(ran).toMatchObject({ exitCode: 1, isUnchanged: true });
  expect(ran.stderr).toMatch(refusal);
});

it('columns --find lists what can be counted, and names the rest', async () => {
  await clinic.sql('CREATE TABLE clinic.other (id int, tags text[], v bytea)');
  await clinic.sql('INSERT INTO clinic.other VALUES (1, $1, $2)', [[base64(encryptedNowhere())], encryptedNowhere()]);
  const around = { environment: { DATABASE_URL: postgres.url } };
  const ran = await pazpazKeys(await agedRing(), ['columns', '--find'], around);
  expect(JSON.parse(ran.stdout)).toEqual([
    { table: 'clinic.other', column: 'v' },
    { table: 'clinic.patients', column: 'notes' },
  ]);
  expect(ran.stderr).toContain('neither census nor reencrypt can read: clinic.other.tags (text[])');
  expect(ran.exitCode).toBe(1);
  const json = await pazpazKeys(await agedRing(), ['columns', '--find', '--json'], around);
  expect(asDescribed('columns', json.stdout)).toMatchObject({
    result: { columns: [{ uncountable: 'text[]' }, {}, {}] },
  });
});

/** A ciphertext of key 1 without a context. */
function encryptedNowhere(): Buffer {
  return encryptField('nowhere', keyOf(1), '', { number: toKeyNumber(1) });
}
