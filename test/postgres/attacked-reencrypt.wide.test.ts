import fc from 'fast-check';
import { contextOf, contextTemplate } from '../../src/format/context-template.ts';
import { isKeyRotationError } from '../../src/format/error.ts';
import { rowFromText } from '../../src/format/row-from-text.ts';
import { rowFromJson } from '../../src/format/row-from-json.ts';
import { readVarint } from '../../src/format/varint.ts';
import { reencrypt } from '../../src/postgres/job/reencrypt.ts';
import { Clinic, startPostgres } from './support/clinic.ts';
import type { Postgres } from './support/postgres.ts';

/*
 * Whatever triggers and generated columns a table has, and whatever the contexts are made of: a row of a listed column that
 * opened before `reencrypt` opens after it, whether it has ended or refused.
 */

/** `RUNS=2000`: as many tables as a night takes; fewer in `npm run explore`, and fewest in `npm run test:wide`. */
const RUNS = Number(process.env['RUNS'] ?? (process.env['EXPLORE'] === 'deep' ? 50 : 5));
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

jest.setTimeout(600_000 + RUNS * 6000);

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
});
afterAll(() => postgres.stop());

type Column = 'notes' | 'phone';

const TYPES = {
  bytea: { of: (row: Buffer) => row, beginning: 'get_byte(notes, 0)::text' },
  text: { of: (row: Buffer) => row.toString('base64'), beginning: 'left(notes, 2)' },
  jsonb: {
    of: (row: Buffer) => JSON.stringify({ data: row.toString('base64'), kind: 'note' }),
    beginning: "left(notes->>'data', 2)",
  },
} as const;
const IDS = [1, 2, 3, 4, 5];

const guarded = (update: string) =>
  `IF pg_trigger_depth() = 1 THEN UPDATE public.t SET ${update} WHERE id = new.id; END IF; RETURN NULL;`;
const instead = (act: string) => `IF pg_trigger_depth() > 1 THEN RETURN new; END IF; ${act}; RETURN NULL;`;
/** What a trigger does, and when. */
const TRIGGERS = [
  ['BEFORE UPDATE', 'new.email := lower(new.email); RETURN new;'],
  ['BEFORE UPDATE', 'new.tenant := upper(new.tenant); RETURN new;'],
  ['BEFORE UPDATE OF made', 'new.email := lower(new.email); RETURN new;'],
  ['BEFORE UPDATE OF phone', 'new.email := lower(new.email); RETURN new;'],
  ['BEFORE UPDATE', 'new.changed := 1; RETURN new;'],
  ['BEFORE UPDATE', 'IF new.id = 3 THEN RETURN NULL; END IF; RETURN new;'],
  ['BEFORE UPDATE', 'new.notes := old.notes; RETURN new;'],
  ['BEFORE UPDATE', 'SET CONSTRAINTS ALL DEFERRED; RETURN new;'],
  ['BEFORE UPDATE OF changed', 'RETURN new;'],
  ['BEFORE UPDATE', 'new.phone := NULL; RETURN new;'],
  ['BEFORE UPDATE OF notes', 'new.phone := old.notes; RETURN new;'],
  ['BEFORE UPDATE', instead('UPDATE public.t SET email = lower(email), notes = new.notes WHERE id = new.id')],
  ['BEFORE UPDATE', instead('UPDATE public.t SET tenant = upper(tenant) WHERE id = new.id')],
  ['BEFORE UPDATE', instead('IF new.id = 2 THEN DELETE FROM public.t WHERE id = new.id; END IF')],
  [
    'BEFORE UPDATE',
    instead(
      'INSERT INTO public.t (id, notes) VALUES (new.id + 100, new.notes); DELETE FROM public.t WHERE id = new.id',
    ),
  ],
  ['AFTER UPDATE', guarded('phone = NULL')],
  ['AFTER UPDATE', guarded('email = lower(email)')],
  ['AFTER UPDATE', guarded('changed = 2')],
  ['AFTER UPDATE', guarded('id = id + 100')],
  // Its own update puts it off again, until it changes nothing.
  [
    'CONSTRAINT',
    'UPDATE public.t SET tenant = upper(tenant) WHERE id = new.id AND tenant <> upper(tenant); RETURN NULL;',
  ],
] as const;

const table = fc.record({
  type: fc.constantFrom(...(['bytea', 'text', 'jsonb'] as const)),
  made: fc.constantFrom('beginning', 'other'),
  key: fc.constantFrom('id', 'id, tenant', 'id, made'),
  contexts: fc.record({
    notes: fc.constantFrom('', 't:{id}', 't:{email}', 't:{tenant}:{id}', 't:{made}', 't:{phone}', 't:{slug}'),
    phone: fc.constantFrom('', 'p:{id}', 'p:{email}', 'p:{made}', 'p:{notes}', 'p:{tenant}', 'p:{slug}'),
  }),
  /** Whether the function behind a generated column has changed since the rows were written. */
  isStale: fc.boolean(),
  triggers: fc.uniqueArray(fc.constantFrom(...TRIGGERS), { maxLength: 2 }),
  listed: fc.constantFrom<readonly Column[]>(['notes'], ['phone'], ['notes', 'phone'], ['phone', 'notes']),
  choice: fc.constantFrom('fire' as const, 'fire' as const, 'skip' as const, undefined),
});
type Table = typeof table extends fc.Arbitrary<infer T> ? T : never;

const slug = (to: string) =>
  `CREATE OR REPLACE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ${to}($1) $$`;

async function make({ type, made, key, contexts, isStale, triggers }: Table): Promise<void> {
  const other = type === 'jsonb' ? "notes->>'kind'" : "'other'";
  await clinic.sql(`DROP TABLE IF EXISTS t; DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; ${slug('upper')};
    CREATE TABLE t (id int, email text, tenant text, notes ${type}, phone text, changed int,
      slug text GENERATED ALWAYS AS (slug(email)) STORED,
      made text GENERATED ALWAYS AS (${made === 'other' ? other : TYPES[type].beginning}) STORED)`);
  for (const id of IDS) {
    await clinic.sql('INSERT INTO t (id, email, tenant) VALUES ($1, $2, $3)', [id, `Anna${id}`, `Tenant${id % 2}`]);
    // The context of each may be made of the other.
    for (const column of contexts.notes.includes('{phone}')
      ? (['phone', 'notes'] as const)
      : (['notes', 'phone'] as const)) {
      const row = clinic.row(`${column} ${id}`, 1 + (id % 2), await contextNow(id, contexts[column], column, type));
      await clinic.sql(`UPDATE t SET ${column} = $2 WHERE id = $1`, [
        id,
        column === 'phone' ? row.toString('base64') : TYPES[type].of(row),
      ]);
    }
  }
  await clinic
    .sql(`ALTER TABLE t ADD PRIMARY KEY (${key})`)
    .catch(() => clinic.sql('ALTER TABLE t ADD PRIMARY KEY (id)'));
  if (isStale) await clinic.sql(slug('lower'));
  for (const [n, [when, code]] of triggers.entries()) {
    const kind =
      when === 'CONSTRAINT' ? ['CONSTRAINT', 'AFTER UPDATE', 'DEFERRABLE INITIALLY DEFERRED'] : ['', when, ''];
    await clinic.sql(`CREATE OR REPLACE FUNCTION f${n}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${code} END $$;
      CREATE ${kind[0]} TRIGGER t${n} ${kind[1]} ON t ${kind[2]} FOR EACH ROW EXECUTE FUNCTION f${n}()`);
  }
}

/** As an application gives it: of the row as it is. A row whose number stands in its own context will be under that number. */
async function contextNow(id: number, source: string, column: Column, type: Table['type']): Promise<string> {
  const [row] = await clinic.sql<Record<string, string | null>>(
    'SELECT id::text, email, tenant, notes::text, phone, made, slug FROM t WHERE id = $1',
    [id],
  );
  const template = contextTemplate(source);
  const isOwn = column === 'notes' && row?.['made'] === null && type === 'bytea';
  const values = template.columns.map((name) =>
    isOwn && name === 'made' ? String(1 + (id % 2)) : (row?.[name] ?? ''),
  );
  return contextOf(template, values) ?? '';
}

/** The texts of the rows that open, by id. */
async function opened({ contexts, type }: Table, column: Column): Promise<ReadonlyMap<number, string>> {
  const texts = new Map<number, string>();
  const rows = await clinic.sql<{ id: number; value: Uint8Array | string | object }>(
    `SELECT id, ${column} AS value FROM t`,
  );
  for (const { id, value } of rows) {
    const isBytes = value instanceof Uint8Array;
    const bytes = typeof value === 'string' ? rowFromText(value) : isBytes ? value : rowFromJson(value);
    try {
      texts.set(
        id % 100,
        clinic.open(bytes, readVarint(bytes) ?? 0, await contextNow(id, contexts[column], column, type)),
      );
    } catch (error) {
      if (!isKeyRotationError(error)) throw error;
    }
  }
  return texts;
}

it('no row that opens is lost, whatever its table does', async () => {
  const ends = { done: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(table, async (made) => {
      await make(made);
      const { listed, contexts, choice } = made;
      const before = await Promise.all(listed.map((column) => opened(made, column)));
      const specs = listed.map((column) => ({ table: 't', column, context: contexts[column] }));
      try {
        await reencrypt(postgres, specs, clinic.keys, { triggers: choice, batchRows: 2 });
        ends.done += 1;
      } catch (error) {
        if (!isKeyRotationError(error)) throw error;
        ends.refused += 1;
      }
      for (const [place, column] of listed.entries()) {
        const after = await opened(made, column);
        for (const [id, text] of before[place] ?? []) expect([column, id, after.get(id)]).toEqual([column, id, text]);
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
  if (RUNS > 5) process.stdout.write(`${ends.done} ended, ${ends.refused} refused: RUNS=${RUNS} SEED=${SEED}.\n`);
});
