import type { ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes' };
const CHILD = 'CREATE TABLE child (ref bytea CONSTRAINT refers REFERENCES patients (notes) ON UPDATE';

beforeEach(async () => {
  await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; DROP TABLE IF EXISTS child, parent, patients CASCADE');
  const rows = [1, 1, 1, 2].map((number, index) => clinic.row(`${index}`, number));
  await clinic.table('patients', 'bytea', rows);
  await clinic.sql('ALTER TABLE patients ADD UNIQUE (notes)');
});

const named = async (spec = SPEC) => (await clinic.census(spec)).triggers.map(({ name, does }) => `${name}: ${does}`);
const referring = async () => clinic.sql('SELECT id FROM patients JOIN child ON ref = notes ORDER BY id');

describe('a foreign key on the ciphertext', () => {
  it.each(['CASCADE', 'SET NULL', 'SET DEFAULT', 'RESTRICT', 'NO ACTION'])(
    'of another table, ON UPDATE %s, needs --triggers fire',
    async (action) => {
      await clinic.sql(`${CHILD} ${action}); INSERT INTO child SELECT notes FROM patients WHERE id < 3`);
      expect(await named()).toEqual([`refers: foreign key of public.child, ON UPDATE ${action}`]);
      for (const options of [{}, { triggers: 'skip' } as const]) {
        const error = await rejectionOf(clinic.reencrypt(SPEC, options));
        expect(error.code).toBe('TRIGGERS_UNDECIDED');
        expect(error.message).toContain(`refers on patients (foreign key of public.child, ON UPDATE ${action})`);
      }
      expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 3, 2: 1 });
    },
  );

  it('that cascades is obeyed with --triggers fire', async () => {
    await clinic.sql(`${CHILD} CASCADE); INSERT INTO child SELECT notes FROM patients`);
    expect(await clinic.reencrypt(SPEC, { triggers: 'fire' })).toMatchObject({ isFinished: true });
    expect(await referring()).toHaveLength(4);
  });

  it('that does not lists the rows that are referred to', async () => {
    await clinic.sql(`${CHILD} NO ACTION); INSERT INTO child SELECT notes FROM patients WHERE id = 2`);
    const { totals, left } = await clinic.reencrypt(SPEC, { triggers: 'fire' });
    expect([totals.reencrypted, left]).toEqual([2, [{ key: ['2'], code: 'DATABASE:refers' }]]);
  });

  it('of the column itself is named, too', async () => {
    await clinic.sql('CREATE TABLE parent (ref bytea PRIMARY KEY); INSERT INTO parent SELECT notes FROM patients');
    await clinic.sql('ALTER TABLE patients ADD CONSTRAINT known FOREIGN KEY (notes) REFERENCES parent');
    expect(await named()).toEqual(['known: foreign key to public.parent']);
    const error = await rejectionOf(clinic.reencrypt(SPEC, { triggers: 'skip' }));
    expect(error.message).toContain('known on patients (foreign key to public.parent)');
  });

  it('of a partitioned table is named once, and of a partition with its table', async () => {
    await clinic.sql('CREATE TABLE parts (id int PRIMARY KEY, notes bytea) PARTITION BY RANGE (id)');
    await clinic.sql('CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9)');
    await clinic.sql('ALTER TABLE parts ADD CONSTRAINT known FOREIGN KEY (notes) REFERENCES patients (notes)');
    await clinic.sql('ALTER TABLE part ADD UNIQUE (notes)');
    await clinic.sql('CREATE TABLE child (ref bytea CONSTRAINT refers REFERENCES part (notes) ON UPDATE CASCADE)');
    expect(await named({ table: 'parts', column: 'notes' })).toEqual([
      'known: foreign key to public.patients',
      'refers: foreign key of public.child, ON UPDATE CASCADE',
    ]);
    await clinic.sql('DROP TABLE parts CASCADE');
  });

  it('is none where it is over another column, or is not enforced', async () => {
    await clinic.sql(`${CHILD} CASCADE, id int REFERENCES patients ON UPDATE CASCADE)`);
    await clinic.sql('ALTER TABLE patients DISABLE TRIGGER ALL');
    expect(await named()).toEqual([]);
  });

  describe('that is made while rows are re-encrypted', () => {
    beforeEach(async () => {
      // Enough that many batches are left, however late the statement reaches the server.
      const more = Array.from({ length: 500 }, (_, index) => clinic.row(`more ${index}`, 1));
      await clinic.sql('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
        more.map((_, index) => index + 100),
        more,
      ]);
    });
    const reencryptMaking = async (specs: readonly ColumnSpec[], triggers?: 'fire') => {
      let isMade: Promise<unknown> | undefined;
      const onBatch = () => {
        isMade ??= clinic.sql('ALTER TABLE child ADD FOREIGN KEY (ref) REFERENCES patients (notes) ON UPDATE CASCADE');
      };
      const error = await rejectionOf(
        reencrypt(postgres, specs, clinic.keys, { triggers, batchRows: 1, connections: 1, onBatch }),
      );
      await isMade;
      return error;
    };

    it('asks for the decision', async () => {
      await clinic.sql('CREATE TABLE child (ref bytea)');
      expect((await reencryptMaking([SPEC])).code).toBe('TRIGGERS_UNDECIDED');
    });

    it('is refused where it changes the context of a listed column', async () => {
      await clinic.sql('CREATE TABLE child (id int PRIMARY KEY, ref bytea, secret bytea)');
      const error = await reencryptMaking([SPEC, { table: 'child', column: 'secret', context: '{ref}' }], 'fire');
      expect(error.message).toContain('The context of child.secret ({ref}) changes with a re-encryption');
    });
  });
});

it('a row that a trigger behind a foreign key writes in the transaction of a batch is found', async () => {
  await clinic.sql(`${CHILD} CASCADE); INSERT INTO child SELECT notes FROM patients WHERE id = 1`);
  await clinic.sql(`CREATE OR REPLACE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.patients VALUES (0, OLD.ref) ON CONFLICT DO NOTHING; RETURN NULL; END $$;
    CREATE TRIGGER adds AFTER UPDATE ON child FOR EACH ROW EXECUTE FUNCTION add()`);
  expect(await clinic.reencrypt(SPEC, { triggers: 'fire' })).toMatchObject({ isFinished: true });
  expect((await clinic.census(SPEC)).numbered).toEqual({ 2: 5 });
});

describe('a context that changes through a foreign key', () => {
  const kids = (action: string, more = '') =>
    clinic.sql(`DROP TABLE IF EXISTS kids CASCADE;
      CREATE TABLE kids (id int PRIMARY KEY, token bytea REFERENCES patients (notes) ON UPDATE ${action}, secret bytea${more})`);
  const expectRefusal = async (specs: readonly ColumnSpec[], words: RegExp) => {
    const error = await rejectionOf(reencrypt(postgres, specs, clinic.keys, { triggers: 'fire' }));
    expect(error).toMatchObject({ code: 'INVALID_COLUMN', message: expect.stringMatching(words) as string });
    expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 3, 2: 1 });
  };
  afterAll(() => clinic.sql('DROP TABLE kids CASCADE'));

  it.each(['CASCADE', 'SET NULL', 'SET DEFAULT'])(
    'ON UPDATE %s, the context of a listed column of another table is refused',
    async (action) => {
      await kids(action);
      const secret = { table: 'kids', column: 'secret', context: 'k:{token}' };
      for (const specs of [
        [SPEC, secret],
        [secret, SPEC],
      ])
        await expectRefusal(specs, /context of kids\.secret .*\{token\} .* kids_token_fkey .* would open no more/);
    },
  );

  it('that refers to a column behind another one, the context is refused as well', async () => {
    await kids('CASCADE', ', number int GENERATED ALWAYS AS (get_byte(token, 0)) STORED UNIQUE');
    await clinic.sql(`CREATE TABLE toys (id int PRIMARY KEY, kid int REFERENCES kids (number) ON UPDATE CASCADE, secret bytea)
      PARTITION BY RANGE (id); CREATE TABLE toys_1 PARTITION OF toys FOR VALUES FROM (0) TO (9)`);
    const secret = { table: 'toys_1', column: 'secret', context: 't:{kid}' };
    await expectRefusal([SPEC, secret], /context of toys_1\.secret .*\{kid\} .* would open no more/);
    await clinic.sql('DROP TABLE toys');
  });

  it('a listed column that it would empty is refused, and one that it carries on is not', async () => {
    const copied = { table: 'kids', column: 'token' };
    await kids('SET NULL');
    await expectRefusal([copied, SPEC], /kids\.token changes .*SET NULL.* Drop .*ON UPDATE.* first/);
    await expectRefusal([copied, SPEC], /^(?!.*--to-context)/);
    await kids('CASCADE');
    await clinic.sql('INSERT INTO kids SELECT id, notes FROM patients');
    const [first] = await reencrypt(postgres, [SPEC, copied], clinic.keys, { triggers: 'fire' });
    expect(first).toMatchObject({ isFinished: true });
    expect((await clinic.census(copied)).numbered).toEqual({ 2: 4 });
  });
});
