import { jest } from '@jest/globals';
import type { ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion, type Postgres } from '../support/postgres.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';

/** Contexts that change because a ciphertext is replaced: rows sealed in them would open no more. */

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const IDS = [1, 2, 3];

/** Makes a table of these columns with rows `1` to `3`, whose notes are under key 1 in the context of each. */
async function patients(columns: string, contextOf: (id: number) => string): Promise<void> {
  await clinic.sql(
    `DROP TABLE IF EXISTS patients; CREATE TABLE patients (id int, notes bytea, email text, ${columns})`,
  );
  for (const id of IDS)
    await clinic.sql('INSERT INTO patients (id, notes, email) VALUES ($1, $2, $3)', [
      id,
      clinic.row('text', 1, contextOf(id)),
      `Anna${id}`,
    ]);
}

async function expectRefusal(specs: readonly ColumnSpec[], words: RegExp): Promise<void> {
  const before = await clinic.sql('SELECT * FROM patients ORDER BY id');
  const error = await rejectionOf(reencrypt(postgres, specs, clinic.keys, { triggers: 'fire' }));
  expect({ code: error.code, message: error.message }).toEqual({
    code: 'INVALID_COLUMN',
    message: expect.stringMatching(words) as string,
  });
  expect(await clinic.sql('SELECT * FROM patients ORDER BY id')).toEqual(before);
}

const NUMBER = 'GENERATED ALWAYS AS (get_byte(notes, 0))';

describe('a column that is generated from the ciphertext', () => {
  it.each(['STORED', 'VIRTUAL'])('is refused in the context of it (%s)', async (kind) => {
    if (kind === 'VIRTUAL' && (await majorVersion(postgres)) < 18) return;
    await patients(`number int ${NUMBER} ${kind}, PRIMARY KEY (id)`, (id) => `patients:${id}:1`);
    const spec = { table: 'patients', column: 'notes', context: 'patients:{id}:{number}' };
    expect(await clinic.census(spec)).toMatchObject({ numbered: { 1: 3 } });
    await expectRefusal([spec], /context of patients\.notes .*\{number\} is generated from public\.patients\.notes/);
  });

  it('may stand in the context that rows are moved from', async () => {
    await patients(`number int ${NUMBER} STORED, PRIMARY KEY (id)`, (id) => `patients:${id}:1`);
    const spec = { table: 'patients', column: 'notes', context: 'patients:{id}:{number}' };
    await clinic.reencrypt({ ...spec, toContext: 'patients:{id}' });
    expect(await clinic.census({ ...spec, context: 'patients:{id}' })).toMatchObject({ numbered: { 2: 3 } });
  });

  it('may come into the context while a job is unfinished, from which rows are moved by starting over', async () => {
    await patients('number int NOT NULL DEFAULT 1, PRIMARY KEY (id)', (id) => `patients:${id}:1`);
    const spec = { table: 'patients', column: 'notes', context: 'patients:{id}:{number}' };
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort();
    };
    await clinic.reencrypt(spec, { batchRows: 1, connections: 1, signal: stop.signal, onBatch });
    await clinic.sql(`ALTER TABLE patients DROP number, ADD number int ${NUMBER} STORED`);
    await clinic.sql('UPDATE patients SET notes = $1 WHERE id = 1', [clinic.row('text', 1, 'patients:1:1')]);
    await expectRefusal([spec], /--to-context, .*--start-over/);
    const moved = { ...spec, toContext: 'patients:{id}' };
    expect(await rejectionOf(clinic.reencrypt(moved))).toMatchObject({ code: 'JOB_DIFFERS' });
    await clinic.reencrypt(moved, { startOver: true });
    expect(await clinic.census({ ...spec, context: 'patients:{id}' })).toMatchObject({ numbered: { 2: 3 } });
  });

  it('is refused in the key of a row, which another key helps, and no other context', async () => {
    await patients(`number int ${NUMBER} STORED, PRIMARY KEY (number, id)`, (id) => `patients:${id}`);
    const spec = { table: 'patients', column: 'notes', context: 'patients:{id}' };
    const words = /key of patients\.notes .*\{number\} is generated from public\.patients\.notes.*unique index.*--key/;
    await expectRefusal([spec], new RegExp(`^(?!.*--to-context).*${words.source}`));
    await clinic.sql('CREATE UNIQUE INDEX ON patients (id)');
    await clinic.reencrypt({ ...spec, key: ['id'] });
    expect(await clinic.census(spec)).toMatchObject({ numbered: { 2: 3 } });
  });

  describe('in jsonb', () => {
    const made = (member: string) => `doc jsonb, tenant text GENERATED ALWAYS AS (doc->>'${member}') STORED`;
    const insert = async (context: string, member: string) => {
      await clinic.sql(`DROP TABLE IF EXISTS docs; CREATE TABLE docs (id int PRIMARY KEY, ${made(member)})`);
      for (const id of IDS)
        await clinic.sql('INSERT INTO docs VALUES ($1, $2)', [
          id,
          JSON.stringify({ tenant: 'one', data: clinic.row('text', 1, context).toString('base64') }),
        ]);
    };

    it('may be made of another member', async () => {
      await insert('docs:one', 'tenant');
      const spec = { table: 'docs', column: 'doc', context: 'docs:{tenant}' };
      await clinic.reencrypt(spec);
      expect(await clinic.census(spec)).toMatchObject({ numbered: { 2: 3 } });
    });

    it('is refused where it is made of the ciphertext, and the batch is undone', async () => {
      await insert('docs', 'data');
      const data = clinic.row('text', 1, 'docs').toString('base64');
      await clinic.sql(`UPDATE docs SET doc = doc || '{"data": "${data}"}' || '{"ssn": null}'`);
      await clinic.sql(`UPDATE docs SET doc = doc || jsonb_build_object('ssn', $1::text)`, [
        clinic.row('ssn', 1, `docs:${data}`).toString('base64'),
      ]);
      const ssn = { table: 'docs', column: 'doc', member: 'ssn', context: 'docs:{tenant}' };
      const specs = [{ table: 'docs', column: 'doc', context: 'docs' }, ssn];
      const error = await rejectionOf(reencrypt(postgres, specs, clinic.keys));
      expect(error).toMatchObject({ code: 'DATABASE_REFUSED' });
      expect(error.message).toContain('tenant (generated from docs.doc)');
      expect(await clinic.census(ssn)).toMatchObject({ numbered: { 1: 3 } });
    });
  });

  it('in a partition alone is refused, too', async () => {
    if ((await majorVersion(postgres)) < 17) return;
    await clinic.sql(`DROP TABLE IF EXISTS patients;
      CREATE TABLE patients (id int PRIMARY KEY, email text, notes bytea, number int GENERATED ALWAYS AS (0) STORED)
        PARTITION BY RANGE (id);
      CREATE TABLE patients_1 (id int NOT NULL, email text, notes bytea, number int ${NUMBER} STORED);
      ALTER TABLE patients ATTACH PARTITION patients_1 FOR VALUES FROM (0) TO (100)`);
    for (const id of IDS)
      await clinic.sql('INSERT INTO patients VALUES ($1, NULL, $2)', [id, clinic.row('text', 1, `patients:${id}:1`)]);
    await expectRefusal([{ table: 'patients', column: 'notes', context: 'patients:{id}:{number}' }], /generated from/);
  });

  it('has its triggers shown', async () => {
    await patients(`number int ${NUMBER} STORED, PRIMARY KEY (id)`, (id) => `patients:Anna${id}`);
    await clinic.sql(`CREATE OR REPLACE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN new.email := lower(new.email); RETURN new; END $$;
      CREATE TRIGGER on_number BEFORE UPDATE OF number ON patients FOR EACH ROW EXECUTE FUNCTION lower_email()`);
    const spec = { table: 'patients', column: 'notes', context: 'patients:{email}' };
    const undecided = await rejectionOf(clinic.reencrypt(spec));
    expect(undecided).toMatchObject({ code: 'TRIGGERS_UNDECIDED' });
    expect(undecided.message).toContain('on_number');
    expect(await rejectionOf(clinic.reencrypt(spec, { triggers: 'fire' }))).toMatchObject({ code: 'DATABASE_REFUSED' });
    expect(await clinic.census(spec)).toMatchObject({ numbered: { 1: 3 } });
  });
});

describe('beside another listed column of the table', () => {
  const notes = { table: 'patients', column: 'notes', context: 'patients:{id}' };
  it.each([
    ['whose context names it', { table: 'patients', column: 'email', context: 'patients:{notes}' }],
    ['whose former context names it', { table: 'patients', column: 'email', context: '{notes}', toContext: '{id}' }],
    [
      'whose context names a column that is generated from it',
      { table: 'patients', column: 'email', context: '{number}' },
    ],
  ])('%s, it is refused', async (_, other) => {
    await patients(`number int ${NUMBER} STORED, PRIMARY KEY (id)`, (id) => `patients:${id}`);
    for (const specs of [
      [notes, other],
      [other, notes],
    ])
      await expectRefusal(specs, /context of patients\.email .* would open no more/);
  });

  describe.each([
    ['bytea', (row: Buffer) => row],
    ['jsonb', (row: Buffer) => JSON.stringify({ data: row.toString('base64'), more: 1 })],
  ] as const)('in %s', (type, value) => {
    const phone = { table: 'patients', column: 'phone', context: 'patients:{email}' };
    beforeEach(async () => {
      await patients(`phone ${type}, changed int, PRIMARY KEY (id)`, (id) => `patients:${id}`);
      for (const id of IDS)
        await clinic.sql('UPDATE patients SET phone = $2, email = $3 WHERE id = $1', [
          id,
          id === 3 ? null : value(clinic.row('0123', 1, `patients:Anna${id}`)),
          id === 3 ? null : `Anna${id}`,
        ]);
    });

    const trigger = (code: string, when = 'BEFORE UPDATE') =>
      clinic.sql(`CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${code} END $$;
        CREATE TRIGGER t ${when} ON patients FOR EACH ROW EXECUTE FUNCTION t()`);

    it.each([
      ['before the update', 'new.email := lower(new.email); RETURN new;', undefined],
      [
        'after it',
        'UPDATE public.patients SET email = lower(email) WHERE id = new.id AND email <> lower(email); RETURN NULL;',
        'AFTER UPDATE',
      ],
    ])('a batch is undone where a trigger changes a column of its context %s', async (_, code, when) => {
      await trigger(code, when);
      const error = await rejectionOf(reencrypt(postgres, [notes, phone], clinic.keys, { triggers: 'fire' }));
      expect(error).toMatchObject({ code: 'DATABASE_REFUSED' });
      expect(error.message).toMatch(/changed 2 rows of patients\.notes .*another listed column \(email\)/);
      expect(await clinic.census(notes)).toMatchObject({ numbered: { 1: 3 } });
      expect(await clinic.census(phone)).toMatchObject({ numbered: { 1: 2 }, nulls: 1, unreadable: 0 });
    });

    it.each([
      ['empties', 'new.phone := NULL; RETURN new;', 'BEFORE UPDATE OF notes'],
      [
        'replaces, after the update,',
        'UPDATE public.patients SET phone = NULL WHERE id = new.id AND phone IS NOT NULL; RETURN NULL;',
        'AFTER UPDATE OF notes',
      ],
    ])('a batch is undone where a trigger %s its value', async (_, code, when) => {
      await trigger(code, when);
      const error = await rejectionOf(reencrypt(postgres, [notes, phone], clinic.keys, { triggers: 'fire' }));
      expect(error).toMatchObject({ code: 'DATABASE_REFUSED' });
      expect(error.message).toMatch(/changed 2 rows of patients\.notes .*another listed column \(patients\.phone\)/);
      expect(await clinic.census(notes)).toMatchObject({ numbered: { 1: 3 } });
      expect(await clinic.census(phone)).toMatchObject({ numbered: { 1: 2 }, nulls: 1, unreadable: 0 });
    });

    it('rows are done where a trigger changes other columns only', async () => {
      await trigger('new.changed := 1; RETURN new;');
      await reencrypt(postgres, [notes, phone], clinic.keys, { triggers: 'fire' });
      expect(await clinic.census(notes)).toMatchObject({ numbered: { 2: 3 } });
      expect(await clinic.census(phone)).toMatchObject({ numbered: { 2: 2 }, nulls: 1 });
    });
  });
});

describe('beside another listed member of the value', () => {
  const data = { table: 'docs', column: 'doc', context: 'docs:{id}' };
  const ssn = { table: 'docs', column: 'doc', member: 'ssn', context: 'ssn:{id}' };
  const docs = async (code: string) => {
    await clinic.sql(`DROP TABLE IF EXISTS docs; CREATE TABLE docs (id int PRIMARY KEY, doc jsonb);
      CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${code} RETURN new; END $$;
      CREATE TRIGGER t BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION t()`);
    for (const id of IDS) {
      const [one, other] = [clinic.row('text', 1, `docs:${id}`), clinic.row('ssn', 1, `ssn:${id}`)];
      const members = { data: one.toString('base64'), ...(id === 3 ? {} : { ssn: other.toString('base64') }) };
      await clinic.sql('INSERT INTO docs VALUES ($1, $2)', [id, JSON.stringify(members)]);
    }
  };

  it('a batch is undone where a trigger removes that one', async () => {
    await docs("new.doc := new.doc - 'ssn';");
    const error = await rejectionOf(reencrypt(postgres, [data, ssn], clinic.keys, { triggers: 'fire' }));
    expect(error.message).toMatch(/changed 2 rows of docs\.doc .*another listed column \(docs\.doc->ssn\)/);
    expect(await clinic.census(data, ssn)).toMatchObject({ numbered: { 1: 3 } });
    expect(await clinic.census(ssn)).toMatchObject({ numbered: { 1: 2 } });
  });

  it('rows are done where a trigger changes members that are not listed', async () => {
    await docs(`new.doc := new.doc || '{"changed": 1}';`);
    await reencrypt(postgres, [data, ssn], clinic.keys, { triggers: 'fire' });
    expect(await clinic.census(ssn)).toMatchObject({ numbered: { 2: 2 } });
  });
});

describe('a generated column whose expression has come to give another value', () => {
  const LOWER_EMAIL = `CREATE OR REPLACE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN new.email := lower(new.email); RETURN new; END $$`;
  const slug = (to: string) =>
    clinic.sql(`CREATE OR REPLACE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ${to}($1) $$`);
  const notes = { table: 'patients', column: 'notes', context: 'patients:{id}' };

  beforeEach(async () => {
    await clinic.sql('DROP TABLE IF EXISTS patients');
    await slug('lower');
    await patients(
      'phone bytea, slug text GENERATED ALWAYS AS (slug(email)) STORED, PRIMARY KEY (id)',
      (id) => `patients:${id}`,
    );
    for (const id of IDS)
      await clinic.sql('UPDATE patients SET phone = $2 WHERE id = $1', [id, clinic.row('0', 1, `patients:anna${id}`)]);
    await slug('upper');
  });

  it.each([
    ['of a trigger for another column', 'UPDATE OF email', ''],
    ['of a disabled trigger', 'UPDATE', 'ALTER TABLE patients DISABLE TRIGGER t'],
  ])('is not changed in a context because %s', async (_, when, then) => {
    await clinic.sql(`${LOWER_EMAIL};
      CREATE TRIGGER t BEFORE ${when} ON patients FOR EACH ROW EXECUTE FUNCTION lower_email(); ${then}`);
    const phone = { table: 'patients', column: 'phone', context: 'patients:{slug}' };
    for (const specs of [[phone], [notes, phone]]) {
      const error = await rejectionOf(reencrypt(postgres, specs, clinic.keys));
      expect(error).toMatchObject({ code: 'DATABASE_REFUSED' });
      expect(error.message).toContain('slug (a generated column, which was computed again)');
      expect(error.message).toMatch(/--to-context, .*--start-over/);
      expect(await clinic.census(phone)).toMatchObject({ numbered: { 1: 3 } });
      expect(await clinic.census(notes)).toMatchObject({ numbered: { 1: 3 } });
    }
    // The way out that the message gives.
    await clinic.reencrypt({ ...phone, toContext: 'patients:{id}' }, { startOver: true });
    expect(await clinic.census({ ...phone, context: 'patients:{id}' })).toMatchObject({ numbered: { 2: 3 } });
  });

  it('is no hindrance where nothing computes it again', async () => {
    const phone = { table: 'patients', column: 'phone', context: 'patients:{slug}' };
    await reencrypt(postgres, [notes, phone], clinic.keys);
    expect(await clinic.census(phone)).toMatchObject({ numbered: { 2: 3 } });
  });
});

it('a batch is undone where a trigger has another one changed at the commit', async () => {
  await patients('PRIMARY KEY (id)', (id) => `patients:Anna${id}`);
  await clinic.sql(`
    CREATE OR REPLACE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN new; END $$;
    CREATE OR REPLACE FUNCTION lower_later() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN UPDATE public.patients SET email = lower(email) WHERE id = new.id AND email <> lower(email); RETURN NULL; END $$;
    CREATE TRIGGER a BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION defer();
    CREATE CONSTRAINT TRIGGER b AFTER UPDATE OF notes ON patients DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION lower_later()`);
  const spec = { table: 'patients', column: 'notes', context: 'patients:{email}' };
  expect(await rejectionOf(clinic.reencrypt(spec, { triggers: 'fire' }))).toMatchObject({ code: 'DATABASE_REFUSED' });
  expect(await clinic.census(spec)).toMatchObject({ numbered: { 1: 3 } });
});

/** Does something once, between the look at the table and the update of a batch. */
function beforeWrite(act: string): { readonly mockRestore: () => void } {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with the connection
  const write = Connection.prototype.underOwnPath;
  const spy = jest.spyOn(Connection.prototype, 'underOwnPath').mockImplementationOnce(async function (
    this: Connection,
    ...args
  ) {
    await clinic.sql(act);
    return write.apply(this, args);
  });
  return spy;
}

it('a batch is undone where a trigger is made before it writes, by a role with a right to the column only', async () => {
  await patients('PRIMARY KEY (id)', (id) => `patients:Anna${id}`);
  await clinic.sql(`DROP SCHEMA IF EXISTS pazpaz_keys CASCADE`);
  await clinic.sql(`CREATE ROLE clerk LOGIN; GRANT SELECT, UPDATE (notes) ON patients TO clerk; GRANT CREATE ON DATABASE postgres TO clerk;
    CREATE OR REPLACE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN new.email := lower(new.email); RETURN new; END $$`);
  const spy = beforeWrite('CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION lower_email()');
  const spec = { table: 'patients', column: 'notes', context: 'patients:{email}' };
  const clerk = { ...postgres, url: postgres.url.replace('postgres@', 'clerk@') };
  const error = await rejectionOf(reencrypt(clerk, [spec], clinic.keys));
  spy.mockRestore();
  expect(error).toMatchObject({ code: 'TRIGGERS_UNDECIDED' });
  expect(await clinic.census(spec)).toMatchObject({ numbered: { 1: 3 } });
});

it('a batch is undone where a partition with a trigger of its own is attached before it reads', async () => {
  await clinic.sql(`DROP TABLE IF EXISTS patients; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE;
    CREATE TABLE patients (id int PRIMARY KEY, email text, notes bytea) PARTITION BY RANGE (id);
    CREATE TABLE patients_1 PARTITION OF patients FOR VALUES FROM (0) TO (2);
    CREATE TABLE patients_2 (id int PRIMARY KEY, email text, notes bytea);
    CREATE OR REPLACE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN new.email := lower(new.email); RETURN new; END $$;
    CREATE TRIGGER t BEFORE UPDATE ON patients_2 FOR EACH ROW EXECUTE FUNCTION lower_email()`);
  for (const id of IDS)
    await clinic.sql(`INSERT INTO ${id < 2 ? 'patients_1' : 'patients_2'} VALUES ($1, $2, $3)`, [
      id,
      `Anna${id}`,
      clinic.row('text', 1, `patients:Anna${id}`),
    ]);
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with the connection
  const read = Connection.prototype.copyRows;
  let isAttached = false;
  jest.spyOn(Connection.prototype, 'copyRows').mockImplementation(async function (this: Connection, select, onRow) {
    if (select.includes('lag(') && !isAttached) {
      await clinic.sql('ALTER TABLE patients ATTACH PARTITION patients_2 FOR VALUES FROM (2) TO (9)');
      isAttached = true;
    }
    return read.call(this, select, onRow);
  });
  const spec = { table: 'patients', column: 'notes', context: 'patients:{email}' };
  const error = await rejectionOf(clinic.reencrypt(spec));
  jest.restoreAllMocks();
  expect([isAttached, error.code]).toEqual([true, 'TRIGGERS_UNDECIDED']);
  expect(await clinic.census(spec)).toMatchObject({ numbered: { 1: 3 } });
});

describe('in a partition and in its table', () => {
  beforeEach(() =>
    clinic.sql(`DROP TABLE IF EXISTS patients CASCADE;
      CREATE TABLE patients (id int PRIMARY KEY, notes bytea, email bytea, number int ${NUMBER} STORED) PARTITION BY RANGE (id);
      CREATE TABLE part PARTITION OF patients FOR VALUES FROM (0) TO (10);
      CREATE TABLE other PARTITION OF patients FOR VALUES FROM (10) TO (20)`),
  );
  const notes = { table: 'patients', column: 'notes', context: 'p:{id}' };

  it('a context that is made of a ciphertext of the other is refused', async () => {
    await expectRefusal(
      [{ table: 'part', column: 'email', context: '{number}' }, notes],
      /context of part\.email .* would open no more/,
    );
  });

  it('a column is named once, and in two partitions twice', async () => {
    await expectRefusal([{ ...notes, table: 'part' }, notes], /named twice/);
    const both = [
      { ...notes, table: 'part' },
      { ...notes, table: 'other' },
    ];
    expect(await reencrypt(postgres, both, clinic.keys)).toMatchObject([{ isFinished: true }, { isFinished: true }]);
  });
});
