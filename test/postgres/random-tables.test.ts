import fc from 'fast-check';
import { oldBox } from '../format/support/old-application.ts';
import { census } from '../../src/postgres/census.ts';
import { Clinic, startPostgres, type Value } from './support/clinic.ts';
import type { Postgres } from './support/postgres.ts';
import { shadowEverything } from './support/shadows.ts';

/** `RUNS=2000`: as many tables as a night takes; fewer in `npm run explore`, and fewest in `npm test`. */
const RUNS = Number(process.env['RUNS'] ?? (process.env['EXPLORE'] === 'deep' ? 200 : 12));
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

jest.setTimeout(600_000 + RUNS * 2000);

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app; CREATE ROLE clerk LOGIN');
  await shadowEverything(clinic, 'app');
});
afterAll(() => postgres.stop());

const STORAGES = ['bytea', 'text', 'varchar(4000)', 'jsonb'] as const;
const KEYS = [
  ['int', (n: number) => `${n}`],
  ['text', (n: number) => `Key ${n % 2 === 0 ? 'a' : 'B'}-${n}`],
  ['text COLLATE "en-x-icu"', (n: number) => `é${n % 3}-${n}`],
  ['text COLLATE "C"', (n: number) => `${n % 2 === 0 ? 'Ä' : 'a'}${n}`],
  ['numeric', (n: number) => `${n}.50`],
  ['uuid', (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`],
] as const;

const row = fc.record({
  kind: fc.constantFrom('numbered', 'numbered', 'zero', 'old', 'nested', 'null', 'empty', 'foreign'),
  number: fc.integer({ min: 1, max: 3 }),
  text: fc.string({ unit: 'grapheme', maxLength: 40 }),
});

const table = fc.record({
  storage: fc.constantFrom(...STORAGES),
  key: fc.constantFrom(...KEYS),
  isPartitioned: fc.boolean(),
  rows: fc.array(row, { maxLength: 30 }),
  connections: fc.constantFrom(1, 1, 2, 3),
  path: fc.constantFrom('public', 'public, pg_catalog', '"$user", public'),
  role: fc.constantFrom('postgres', 'clerk'),
});

it('a census says of any table what was written into it, whatever another role has made', async () => {
  await fc.assert(
    fc.asyncProperty(table, async ({ storage, key: [type, keyOf], isPartitioned, rows, connections, path, role }) => {
      const known = { rows: rows.length, nulls: 0, empty: 0, unreadable: 0 };
      const by = { numbered: {}, unnumbered: {}, legacy: {}, nested: {} } as Record<string, Record<number, number>>;
      const add = (kind: string, number: number) => {
        const counts = (by[kind] ??= {});
        counts[number] = (counts[number] ?? 0) + 1;
      };
      await clinic.sql(`DROP TABLE IF EXISTS random_rows`);
      await clinic.sql(
        `CREATE TABLE random_rows (id ${type} PRIMARY KEY, notes ${storage}) ${isPartitioned ? 'PARTITION BY HASH (id)' : ''}`,
      );
      for (const part of isPartitioned ? [0, 1] : []) {
        await clinic.sql(
          `CREATE TABLE random_rows_${part} PARTITION OF random_rows FOR VALUES WITH (MODULUS 2, REMAINDER ${part})`,
        );
      }
      for (const [index, { kind, number, text }] of rows.entries()) {
        const id = keyOf(index);
        const context = `t:${id}`;
        const stored = (): Value => {
          if (kind === 'null') known.nulls += 1;
          else if (kind === 'empty') known.empty += 1;
          else if (kind === 'foreign') known.unreadable += 1;
          else if (kind === 'zero') add('unnumbered', 1);
          else if (kind === 'old') add('legacy', number);
          else add('numbered', kind === 'nested' ? 3 : number);
          if (kind === 'nested') add('nested', number);
          if (kind === 'null') return null;
          if (kind === 'empty') return spelled(Buffer.alloc(0), storage);
          if (kind === 'foreign') return spelled(clinic.row(text, number, 'another context'), storage);
          if (kind === 'zero') return spelled(clinic.row(text, 0, context), storage);
          if (kind === 'old') return spelled(oldBox(text, { key: clinic.world.keyOf(number) }), storage);
          const inner = clinic.row(text, number, context).toString('base64');
          return spelled(
            kind === 'nested' ? clinic.row(JSON.stringify({ inner }), 3, context) : clinic.row(text, number, context),
            storage,
          );
        };
        await clinic.sql('INSERT INTO random_rows VALUES ($1, $2)', [id, stored()]);
      }
      await clinic.sql(`GRANT SELECT ON random_rows TO clerk; ALTER ROLE ${role} SET search_path = ${path}`);
      const url = postgres.url.replace('postgres@', `${role}@`);
      const spec = { table: 'random_rows', column: 'notes', context: 't:{id}' };
      const [count] = await census({ url }, [spec], clinic.keys, { connections, rangeBytes: 8192 });
      expect(count).toMatchObject({ ...known, relation: 'public.random_rows', owner: 'postgres', unseen: [] });
      expect(Object.fromEntries(Object.keys(by).map((kind) => [kind, Reflect.get({ ...count }, kind)]))).toEqual(by);
      const classes = ['numbered', 'unnumbered', 'legacy'].flatMap((kind) => Object.values(by[kind] ?? {}));
      expect(classes.reduce((sum, n) => sum + n, known.nulls + known.empty + known.unreadable)).toBe(rows.length);
      await clinic.sql(`ALTER ROLE ${role} RESET ALL`);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  if (RUNS > 12) process.stdout.write(`${RUNS} tables agreed: RUNS=${RUNS} SEED=${SEED}.\n`);
  expect(await clinic.sql('SELECT * FROM public.was_called')).toEqual([]);
});

/** Bytes of a row, as a column of this type stores them. */
function spelled(bytes: Buffer, storage: (typeof STORAGES)[number]): Value {
  if (storage === 'bytea') return bytes;
  return storage === 'jsonb' ? JSON.stringify(bytes.toString('base64')) : bytes.toString('base64');
}
