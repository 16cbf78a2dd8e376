import fc from 'fast-check';
import { census } from '../../../src/postgres/census.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';
import { DatabaseFailure } from '../../../src/postgres/connection/database-error.ts';
import { EndedBatches } from '../../../src/postgres/job/ended-batches.ts';
import type { Range } from '../../../src/postgres/job/ranges.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes' };

describe('a column is read and written by any key', () => {
  it.each([
    ['uuid', 'gen_random_uuid()'],
    ['text', 'chr(i + 64) || \' "quoted" \\ ,{}\' || i'],
    ['timestamptz', "timestamptz '2026-03-29 00:30+00' + i * interval '1 hour' + interval '1 microsecond'"],
    ['numeric', 'i * 1.5'],
    ['char(5)', "lpad(i::text, 3, '0')"],
    ['float8', '1.0 / i'],
    ['bigint', '9007199254740993 + i'],
  ])('of type %s', async (type, made) => {
    await clinic.sql('DROP TABLE IF EXISTS patients');
    await clinic.sql(`CREATE TABLE patients (id ${type} PRIMARY KEY, notes bytea)`);
    await clinic.sql(`INSERT INTO patients SELECT ${made} FROM generate_series(1, 30) i`);
    const ids = await clinic.sql<{ id: string }>('SELECT id::text FROM patients');
    await clinic.sql("SET TimeZone = 'UTC'");
    for (const { id } of await clinic.sql<{ id: string }>('SELECT id::text FROM patients')) {
      await clinic.sql(`UPDATE patients SET notes = $2 WHERE id = $1::text::${type}`, [
        id,
        clinic.row('x', 1, `p:${id}`),
      ]);
    }
    const report = await clinic.reencrypt({ ...SPEC, context: 'p:{id}' }, { batchRows: 8, rangeRows: 15 });
    expect(report.totals).toMatchObject({ reencrypted: ids.length, left: 0 });
    expect((await clinic.census({ ...SPEC, context: 'p:{id}' })).numbered).toEqual({ 2: 30 });
  });

  it('of several columns, in a schema and with names that have to be quoted', async () => {
    await clinic.sql('DROP SCHEMA IF EXISTS "The Clinic" CASCADE');
    await clinic.sql('CREATE SCHEMA "The Clinic"');
    await clinic.sql(
      'CREATE TABLE "The Clinic"."Patients" ("Tenant" text, no int, "Notes" text, PRIMARY KEY ("Tenant", no))',
    );
    for (const tenant of ['a', 'b', 'c']) {
      for (let no = 1; no <= 10; no += 1) {
        const stored = clinic.row(`${tenant}${no}`, 1, `${tenant}/${no}`).toString('base64');
        await clinic.sql('INSERT INTO "The Clinic"."Patients" VALUES ($1, $2, $3)', [tenant, no, stored]);
      }
    }
    const spec = { table: '"The Clinic"."Patients"', column: 'Notes', context: '{Tenant}/{no}' };
    const report = await clinic.reencrypt(spec, { batchRows: 4, rangeRows: 7 });
    expect(report.totals).toMatchObject({ readRows: 30, reencrypted: 30, left: 0 });
    expect((await clinic.census({ ...spec, key: ['no', 'Tenant'] })).numbered).toEqual({ 2: 30 });
  });

  it('of a partitioned table', async () => {
    await clinic.sql('DROP TABLE IF EXISTS visits');
    await clinic.sql('CREATE TABLE visits (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id)');
    await clinic.sql('CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (1) TO (20)');
    await clinic.sql('CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM (20) TO (100)');
    for (let id = 1; id <= 40; id += 1)
      await clinic.sql('INSERT INTO visits VALUES ($1, $2)', [id, clinic.row('x', 1)]);
    const report = await clinic.reencrypt({ table: 'visits', column: 'notes' }, { batchRows: 4, rangeRows: 7 });
    expect(report.totals).toMatchObject({ readRows: 40, reencrypted: 40 });
  });
});

describe('whatever a table holds', () => {
  it('every text survives, in every storage and batch size, and nothing else changes', async () => {
    const storages = ['bytea', 'text', 'jsonb', 'varchar(4000)'] as const;
    const value = fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 60 }), number: fc.constantFrom(0, 1, 2) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...storages),
        fc.array(fc.option(value), { maxLength: 25 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        async (storage, values, batchRows, rangeRows, connections) => {
          const spell = (row: Buffer) =>
            storage === 'bytea'
              ? row
              : storage === 'jsonb'
                ? JSON.stringify(row.toString('base64'))
                : row.toString('base64');
          const stored = values.map((one, index) =>
            one === null ? null : spell(clinic.row(one.text, one.number, `p:${index + 1}`)),
          );
          await clinic.table('patients', storage, stored);
          const report = await clinic.reencrypt(
            { ...SPEC, context: 'p:{id}' },
            { batchRows, rangeRows, connections, batchBytes: 200 },
          );
          expect(report.totals.left).toBe(0);
          expect(report.totals.readRows).toBe(values.length);
          const after = await clinic.values('patients');
          for (const [index, one] of values.entries()) {
            const row = after.get(index + 1);
            if (one === null) expect(row).toBeNull();
            else {
              const bytes = Buffer.isBuffer(row) ? row : Buffer.from(String(row), 'base64');
              expect(clinic.open(bytes, 2, `p:${index + 1}`)).toBe(one.text);
            }
          }
        },
      ),
      { numRuns: process.env['EXPLORE'] === 'deep' ? 200 : 5 },
    );
  });
});

describe('before the first write', () => {
  const refused = async (spec: object, code: string, message: RegExp) => {
    const error = await rejectionOf(clinic.reencrypt({ ...SPEC, ...spec }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  };

  beforeEach(() => clinic.table('patients', 'bytea', [clinic.row('x', 1)]));

  it('a varchar that is too short for the new header is refused (C36)', async () => {
    // The old prefix is v1: (3), the new header one byte, which base64 rounds up to four.
    const stored = `v1:${oldBox('x'.repeat(26), { key: clinic.world.keyOf(1) }).toString('base64')}`;
    await clinic.table('patients', `varchar(${stored.length})`, [stored]);
    await refused(
      {},
      'COLUMN_TOO_SHORT',
      new RegExp(`at most ${stored.length} characters.*1 of its rows need up to ${stored.length + 1}`),
    );
    expect((await clinic.values('patients')).get(1)).toBe(stored);
    await clinic.sql(`ALTER TABLE patients ALTER COLUMN notes TYPE varchar(${stored.length + 1})`);
    expect((await clinic.reencrypt(SPEC)).totals.reencrypted).toBe(1);
  });

  it('a table or column that is not there, or of another type', async () => {
    await refused({ table: 'patient' }, 'INVALID_COLUMN', /no table patient/);
    await refused({ column: 'note' }, 'INVALID_COLUMN', /no column "note"/);
    await refused({ column: 'id' }, 'INVALID_COLUMN', /type integer/);
    await refused({ context: '{name}' }, 'INVALID_COLUMN', /names \{name\}/);
    await refused({ context: '{notes}' }, 'INVALID_COLUMN', /itself/);
  });

  it('a key that does not name a row', async () => {
    await clinic.sql('CREATE TABLE IF NOT EXISTS keyless (id int, notes bytea)');
    await refused({ table: 'keyless' }, 'INVALID_COLUMN', /no primary key/);
    await refused({ table: 'keyless', key: ['id'] }, 'INVALID_COLUMN', /No unique index/);
    await clinic.sql('CREATE UNIQUE INDEX IF NOT EXISTS keyless_id ON keyless (id)');
    await refused({ table: 'keyless', key: ['id'] }, 'INVALID_COLUMN', /none of them nullable/);
    await clinic.sql('ALTER TABLE keyless ALTER id SET NOT NULL');
    expect((await clinic.reencrypt({ table: 'keyless', column: 'notes', key: ['id'] })).isFinished).toBe(true);
  });

  it('a view, or a table with children by inheritance', async () => {
    await clinic.sql('CREATE OR REPLACE VIEW some_patients AS SELECT * FROM patients WHERE id < 5');
    await refused({ table: 'some_patients' }, 'INVALID_COLUMN', /not a table but a view/);
    await clinic.sql('CREATE TABLE child () INHERITS (patients)');
    await refused({}, 'INVALID_COLUMN', /child tables/);
  });

  it('a user who may not change the column', async () => {
    await clinic.sql('DROP ROLE IF EXISTS clerk');
    await clinic.sql('CREATE ROLE clerk LOGIN');
    await clinic.sql('GRANT SELECT ON patients TO clerk');
    const url = postgres.url.replace('postgres@', 'clerk@');
    expect((await rejectionOf(reencrypt({ url }, [SPEC], clinic.keys))).message).toMatch(/may not change.*GRANT/);
    await clinic.sql('GRANT UPDATE (notes) ON patients TO clerk');
    await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
    expect((await rejectionOf(reencrypt({ url }, [SPEC], clinic.keys))).message).toMatch(/CREATE SCHEMA pazpaz_keys/);
    await clinic.sql('CREATE SCHEMA pazpaz_keys AUTHORIZATION clerk');
    const [report] = await reencrypt({ url }, [SPEC], clinic.keys);
    expect(report?.totals.reencrypted).toBe(1);
    await clinic.sql('DROP SCHEMA pazpaz_keys CASCADE');
    await clinic.sql('DROP OWNED BY clerk');
  });

  it('a generated column', async () => {
    await clinic.sql('ALTER TABLE patients ADD made bytea GENERATED ALWAYS AS (notes) STORED');
    await refused({ column: 'made' }, 'INVALID_COLUMN', /generated/);
  });
});

describe('one row that the database refuses', () => {
  it('is listed with its reason, and the others are done', async () => {
    await clinic.table(
      'patients',
      'bytea',
      Array.from({ length: 20 }, (_, index) => clinic.row(`${index}`, 1)),
    );
    await clinic.sql('ALTER TABLE patients ADD CONSTRAINT first_kept CHECK (id <> 13 OR get_byte(notes, 0) = 1)');
    const report = await clinic.reencrypt(SPEC, { batchRows: 8 });
    expect(report.totals).toMatchObject({ reencrypted: 19, left: 1 });
    expect(report.left).toEqual([{ key: ['13'], code: 'DATABASE:first_kept' }]);
  });

  it('is left, too, where two workers have tried it at once, and it has ended the statement of both', () => {
    const ended = new EndedBatches();
    const range = { n: 1, reached: undefined, again: [] } as unknown as Range;
    const cancelled = new DatabaseFailure('DATABASE_REFUSED', 'canceling statement due to user request', '57014');
    const one = { rows: 1, isLeft: false };
    for (let tries = 0; tries < 3; tries += 1) expect(ended.add(range, one, cancelled)).toBe(true);
    expect(ended.limit(range, 10)).toEqual({ rows: 1, leave: '57014' });
    expect(ended.add(range, one, cancelled)).toBe(true);
    expect(ended.limit(range, 10)).toEqual({ rows: 1, leave: '57014' });
    expect(ended.add(range, { rows: 1, isLeft: true }, cancelled)).toBe(false);
  });
});

describe('triggers (C33)', () => {
  beforeEach(async () => {
    await clinic.table('patients', 'bytea', [clinic.row('a', 1), clinic.row('b', 2)]);
    await clinic.sql('DROP TABLE IF EXISTS audit');
    await clinic.sql('CREATE TABLE audit (id int)');
    await clinic.sql("ALTER TABLE patients ADD updated_at timestamptz DEFAULT '2020-01-01'");
    await clinic.sql(
      'CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.updated_at = now(); RETURN new; END $$',
    );
    await clinic.sql(
      'CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (new.id); RETURN new; END $$',
    );
    await clinic.sql('CREATE TRIGGER touched BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION touch()');
    await clinic.sql('CREATE TRIGGER audited AFTER UPDATE OF notes ON patients FOR EACH ROW EXECUTE FUNCTION note()');
    await clinic.sql('CREATE TRIGGER other AFTER UPDATE OF id ON patients FOR EACH ROW EXECUTE FUNCTION note()');
  });

  it('are named, and nothing is written until someone has decided', async () => {
    const error = await rejectionOf(clinic.reencrypt(SPEC));
    expect(error.code).toBe('TRIGGERS_UNDECIDED');
    expect(error.message).toContain('audited on patients (AFTER UPDATE, function public.note())');
    expect(error.message).toContain('touched on patients (BEFORE UPDATE, function public.touch())');
    expect(error.message).not.toContain('other');
    expect((await clinic.census(SPEC)).triggers.map(({ name }) => name)).toEqual(['audited', 'touched']);
    expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 1, 2: 1 });
  });

  it('are skipped on request: only the column changes', async () => {
    expect((await clinic.reencrypt(SPEC, { triggers: 'skip' })).totals.reencrypted).toBe(1);
    expect(await clinic.sql('SELECT * FROM audit')).toEqual([]);
    expect(await clinic.sql("SELECT id FROM patients WHERE updated_at <> '2020-01-01'")).toEqual([]);
  });

  it('fire on request', async () => {
    await clinic.reencrypt(SPEC, { triggers: 'fire' });
    expect(await clinic.sql('SELECT * FROM audit')).toEqual([{ id: 1 }]);
  });

  it('that always fire cannot be skipped, and neither without the privilege', async () => {
    await clinic.sql('ALTER TABLE patients ENABLE ALWAYS TRIGGER audited');
    expect((await rejectionOf(clinic.reencrypt(SPEC, { triggers: 'skip' }))).message).toMatch(/these fire.*audited/);
  });
});

describe('a census', () => {
  it('attributes a row only after it opened, and what nothing attributes keeps every key (C08)', async () => {
    const three = await Clinic.withKeys(postgres, 3);
    const zero = Array.from({ length: 10 }, (_, index) => three.row(`${index}`, 0));
    const legacy = Array.from({ length: 10 }, (_, index) => oldBox(`${index}`, { key: three.world.keyOf(1) }));
    await three.table('patients', 'bytea', [...zero, ...legacy]);
    const count = await three.census(SPEC);
    expect(count).toMatchObject({
      numbered: {},
      unnumbered: { 1: 10 },
      legacy: { 1: 10 },
      unreadable: 0,
      toReencrypt: 20,
    });
    await three.reencrypt(SPEC);
    expect(await three.census(SPEC)).toMatchObject({ numbered: { 3: 20 }, unnumbered: {}, legacy: {}, unreadable: 0 });
  });

  it('says so where row security hides rows from it', async () => {
    await clinic.table('patients', 'bytea', [clinic.row('a', 1)]);
    await clinic.sql('DROP ROLE IF EXISTS clerk');
    await clinic.sql('CREATE ROLE clerk LOGIN');
    await clinic.sql('GRANT ALL ON patients TO clerk');
    await clinic.sql('ALTER TABLE patients ENABLE ROW LEVEL SECURITY');
    const url = postgres.url.replace('postgres@', 'clerk@');
    const [count] = await census({ url }, [SPEC], clinic.keys);
    expect(count?.unseen).toEqual(['row security hides rows of patients from this user']);
    expect((await rejectionOf(reencrypt({ url }, [SPEC], clinic.keys))).message).toMatch(/Not every row/);
  });
});

describe('a jsonb object with a ciphertext in a member', () => {
  const old = () => `v1:${oldBox('card', { key: clinic.world.keyOf(1) }).toString('base64')}`;

  it.each([
    [undefined, 'data'],
    ['secret', 'secret'],
  ])('is read, and that member alone is replaced: --member %s', async (member, name) => {
    const others = { b: '12345678901234567890.10', a: [1, { x: null }] };
    await clinic.table('patients', 'jsonb', [
      JSON.stringify({ ...others, [name]: old() }).replace('"12345678901234567890.10"', '12345678901234567890.10'),
      JSON.stringify({ [name]: clinic.row('ours', 1).toString('base64') }),
      JSON.stringify({ other: 'x' }),
    ]);
    const spec = { ...SPEC, ...(member === undefined ? {} : { member }) };
    expect(await clinic.census(spec)).toMatchObject({ legacy: { 1: 1 }, numbered: { 1: 1 }, unreadable: 1 });
    expect((await clinic.reencrypt(spec)).totals).toMatchObject({ reencrypted: 2, left: 1 });
    expect(await clinic.census(spec)).toMatchObject({ legacy: {}, numbered: { 2: 2 }, unreadable: 1 });
    const [row] = await clinic.sql<{ text: string; value: string }>(
      'SELECT (notes - $1)::text AS text, notes->>$1 AS value FROM patients WHERE id = 1',
      [name],
    );
    expect(row?.text).toBe('{"a": [1, {"x": null}], "b": 12345678901234567890.10}');
    expect(clinic.open(Buffer.from(row?.value ?? '', 'base64'), 2)).toBe('card');
  });

  it('is refused in a column that has no members', async () => {
    await clinic.table('patients', 'text', []);
    expect((await rejectionOf(clinic.census({ ...SPEC, member: 'data' }))).code).toBe('INVALID_COLUMN');
  });
});

it('older data is listed instead of being brought to the key where that is asked', async () => {
  await clinic.table('patients', 'bytea', [oldBox('moved', { key: clinic.world.keyOf(1) }), clinic.row('a', 1)]);
  const report = await clinic.reencrypt(SPEC, { legacy: false });
  expect(report).toMatchObject({ isFinished: true, left: [{ key: ['1'], code: 'LEGACY_ROW' }] });
  expect(await clinic.census(SPEC)).toMatchObject({ legacy: { 1: 1 }, numbered: { 2: 1 } });
});
