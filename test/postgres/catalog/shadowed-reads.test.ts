import { Connection } from '../../../src/postgres/connection/database.ts';
import { countHeaders } from '../../../src/postgres/header-census.ts';
import type { Column } from '../../../src/postgres/catalog/column.ts';
import { DatabaseFailure } from '../../../src/postgres/connection/database-error.ts';
import { EVERY_ROW, keysAround, readAround } from '../../../src/postgres/damaged-rows.ts';
import { heapRanges, PLACES_OF_PAGE, scanRange, type HeapRange } from '../../../src/postgres/heap-scan.ts';
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
    for (const id of [2, 9, 10]) await clinic.sql('INSERT INTO public.rows_read VALUES ($1, $2)', [id, value(id)]);
    const column = await columnOf(postgres, { table: 'public.rows_read', column: 'notes', context: 'p:{id}' });
    const session = await Connection.open(postgres);
    const limits = { rows: 10, bytes: 1_000_000 };
    const keys = [['2'], ['9'], ['10']];
    try {
      await session.transaction(async () => {
        await session.change('SET LOCAL search_path = public, pg_catalog');
        expect(await readBatch(session, column, { after: ['2'], upTo: ['10'] }, limits)).toHaveLength(2);
        expect(await readRows(session, column, keys, limits)).toMatchObject({ keysRead: 3 });
        expect(await keyAhead(session, column, { after: ['2'], upTo: undefined }, 2)).toEqual(['10']);
        expect(await keysAround(session, column, { after: ['2'], upTo: undefined }, { rows: 2 })).toEqual([
          ['9'],
          ['10'],
        ]);
        const damaged = new DatabaseFailure('DATABASE_REFUSED', 'missing chunk number 0', 'XX001');
        const hasSecond = ({ from = 0, to = Infinity }: HeapRange) => from <= 2 && to > 2;
        const read = (_: Column, range: HeapRange) => (hasSecond(range) ? Promise.reject(damaged) : Promise.resolve());
        expect(await readAround(session, column, EVERY_ROW, read).next()).toMatchObject({
          value: { table: 'public.rows_read', place: 'ctid (0,2)', key: ['9'], error: damaged },
        });
        const seen: string[] = [];
        for (const range of [...(await heapRanges(session, column)), { from: 0, to: PLACES_OF_PAGE }]) {
          await scanRange(session, column, range, (row) => {
            if (row.stored != null) seen.push(...row.key);
          });
        }
        expect(seen).toEqual(['2', '9', '10', '2', '9', '10']);
        expect(await countHeaders(session, column)).toMatchObject({ rows: 3 });
        expect(await keysOutOfReach(session, column, keys)).toBe(0);
      });
    } finally {
      await session.close();
    }
    expect(await clinic.sql('SELECT what FROM public.was_called')).toEqual([]);
  },
);
