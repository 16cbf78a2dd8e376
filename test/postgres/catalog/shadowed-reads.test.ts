import { Connection } from '../../../src/postgres/connection/database.ts';
import { countHeaders } from '../../../src/postgres/header-census.ts';
import { heapRanges, scanRange } from '../../../src/postgres/heap-scan.ts';
import { keyAhead, keysOutOfReach, readBatch, readRows } from '../../../src/postgres/read-rows.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { columnOf } from '../support/column-of.ts';
import type { Postgres } from '../support/postgres.ts';
import { shadowEverything } from '../support/shadows.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  await clinic.sql('CREATE ROLE own LOGIN; GRANT CREATE ON SCHEMA public TO own');
  await shadowEverything(clinic, 'own');
});
afterAll(() => postgres.stop());

test.each(['bytea', 'jsonb'])(
  'reading rows of %s calls nothing of the owner, whatever set the search path',
  async (type) => {
    const value = (id: number) => (type === 'jsonb' ? `{"a": ${id}}` : clinic.row('note', 1, `p:${id}`));
    await clinic.sql(`DROP TABLE IF EXISTS public.rows_read;
    CREATE TABLE public.rows_read (id pg_catalog.int4 PRIMARY KEY, notes pg_catalog.${type})`);
    for (const id of [1, 2, 3]) await clinic.sql('INSERT INTO public.rows_read VALUES ($1, $2)', [id, value(id)]);
    const column = await columnOf(postgres, { table: 'public.rows_read', column: 'notes', context: 'p:{id}' });
    const session = await Connection.open(postgres);
    const limits = { rows: 10, bytes: 1_000_000 };
    const keys = [['1'], ['2'], ['3']];
    try {
      await session.transaction(async () => {
        await session.change('SET LOCAL search_path = public, pg_catalog');
        expect(await readBatch(session, column, { after: ['1'], upTo: ['3'] }, limits)).toHaveLength(2);
        expect(await readRows(session, column, keys, limits)).toMatchObject({ keysRead: 3 });
        expect(await keyAhead(session, column, ['1'], 2)).toEqual(['3']);
        const seen: string[] = [];
        for (const range of [...(await heapRanges(session, column)), { from: 0, to: 1 }]) {
          await scanRange(session, column, range, (row) => {
            if (row.stored != null) seen.push(...row.key);
          });
        }
        expect(seen).toEqual(['1', '2', '3', '1', '2', '3']);
        expect(await countHeaders(session, column)).toMatchObject({ rows: 3 });
        expect(await keysOutOfReach(session, column, keys)).toBe(0);
      });
    } finally {
      await session.close();
    }
    expect(await clinic.sql('SELECT what FROM public.was_called')).toEqual([]);
  },
);
