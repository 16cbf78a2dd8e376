import { AsyncLocalStorage } from 'node:async_hooks';
import fc from 'fast-check';
import pg from 'pg';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { RingKeys } from '../../../src/postgres/all-keys.ts';
import { SECRET } from '../../keyring/support/ring-world.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { watchHandling, needlessHandlings } from '../support/handling.ts';
import type { Postgres } from '../support/postgres.ts';
import { GatedProcess, StatementScheduler } from './support/statement-scheduler.ts';

/** `RUNS=1000`: as many orders as a night takes; fewer in `npm run explore`, and fewest in `npm run test:wide`. */
const RUNS = Number(process.env['RUNS'] ?? (process.env['EXPLORE'] === 'deep' ? 100 : 6));

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };

/** One thing that the application does, while a process is about to make a certain statement, or at any time. */
interface Deed {
  readonly kind: 'write' | 'write slowly' | 'add' | 'delete' | 'hold' | 'rotate';
  readonly id: number;
  readonly beside: string;
  /** Whether it is done by a process of the application that has yet to hear of the key that is current. */
  readonly isLate: boolean;
}

const deed: fc.Arbitrary<Deed> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('write' as const) },
    { weight: 2, arbitrary: fc.constantFrom('write slowly' as const, 'add' as const, 'delete' as const) },
    { weight: 3, arbitrary: fc.constant('hold' as const) },
    { weight: 1, arbitrary: fc.constant('rotate' as const) },
  ),
  id: fc.integer({ min: 1, max: 4 }),
  beside: fc.constantFrom('', 'SELECT c0', 'WITH mine', 'WITH mine', 'UPDATE pazpaz_keys.range', 'COMMIT'),
  isLate: fc.boolean(),
});

/** A process: its connections, and after how many statements it is killed, if it is. */
interface Worker {
  readonly connections: number;
  readonly diesAfter: number | undefined;
}

const worker: fc.Arbitrary<Worker> = fc.record({
  connections: fc.integer({ min: 1, max: 2 }),
  diesAfter: fc.option(fc.integer({ min: 0, max: 150 }), { nil: undefined, freq: 1 }),
});

let postgres: Postgres;
let application: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  application = new pg.Client({ connectionString: postgres.url });
  await application.connect();
});
afterAll(async () => {
  await application.end();
  await postgres.stop();
});

/** Whose statements are being made. */
const current = new AsyncLocalStorage<GatedProcess>();
const open = Connection.open.bind(Connection);
beforeAll(() => {
  jest
    .spyOn(Connection, 'open')
    .mockImplementation((database) => current.getStore()?.open(database, open) ?? open(database));
});
afterAll(() => {
  jest.restoreAllMocks();
});

describe('in any order of the statements of several processes and an application, with any of them killed anywhere', () => {
  it(
    'every row ends under the current key with its last text, and none is handled needlessly',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.infiniteStream(fc.nat()),
          fc.array(worker, { minLength: 1, maxLength: 3, size: 'max' }),
          fc.array(deed, { maxLength: 12, size: 'max' }),
          fc.integer({ min: 1, max: 5 }),
          fc.record({
            batchRows: fc.integer({ min: 1, max: 4 }),
            rangeRows: fc.integer({ min: 1, max: 6 }),
            brakes: fc.constantFrom(FULL_SPEED, { ...FULL_SPEED, maxRowsPerSecond: 1000, batchMilliseconds: 10 }),
          }),
          async (choices, workers, deeds, rows, sizes) => {
            const clinic = await Clinic.withKeys(postgres, 2);
            const texts = new Map(Array.from({ length: rows }, (_, index) => [index + 1, `note ${index + 1}`]));
            await clinic.table(
              'patients',
              'bytea',
              [...texts].map(([id, text]) => clinic.row(text, 1, `p:${id}`)),
            );
            await watchHandling(clinic);
            const options = { ...sizes, triggers: 'fire' } as const;

            const scheduler = new StatementScheduler(choices);
            const run = async (name: string, { connections, diesAfter }: Worker) => {
              const keys = await RingKeys.open(clinic.world.source(), SECRET, clinic.world.clock);
              const gate = new GatedProcess(name, scheduler, diesAfter);
              const running = current.run(gate, () => reencrypt(postgres, [SPEC], keys, { ...options, connections }));
              await Promise.race([running, gate.died]);
            };
            const late = new Set<number>();
            const writing = async () => {
              for (const one of deeds) await act(clinic, texts, late, one, scheduler);
            };
            await scheduler.runUntil(
              Promise.all([...workers.map((one, index) => run(`process ${index + 1}`, one)), writing()]),
            );

            // One that lives to the end leaves nothing behind but what was written late, whatever else was killed.
            const isDone = workers.some(({ diesAfter }) => diesAfter === undefined);
            if (isDone && deeds.every(({ kind }) => kind !== 'rotate')) {
              const stored = await clinic.values('patients');
              for (const id of late) stored.delete(id);
              for (const [id, row] of stored) expect(clinic.open(row as Buffer, 2, `p:${id}`)).toBe(texts.get(id));
            }

            // The same command again, as an operator does whose processes were killed, until one has begun again.
            const keys = await RingKeys.open(clinic.world.source(), SECRET, clinic.world.clock);
            const number = clinic.world.versionIds.size;
            const again = async () => {
              const [report] = await reencrypt(postgres, [SPEC], keys, options);
              expect(report).toMatchObject({ isFinished: true, keyNumber: number, totals: { left: 0 } });
              return report;
            };
            const report = await again();
            if (report?.isResumed === true) await again();
            // No one is given a row that another has had in this pass, unless rows come and go.
            if (deeds.every(({ kind }) => /write|hold/.test(kind))) expect(report?.totals.readRows).toBe(rows);
            const stored = await clinic.values('patients');
            expect(new Set(stored.keys())).toEqual(new Set(texts.keys()));
            for (const [id, row] of stored) expect(clinic.open(row as Buffer, number, `p:${id}`)).toBe(texts.get(id));
            expect(await needlessHandlings(clinic)).toEqual([]);
          },
        ),
        { numRuns: RUNS },
      );
    },
    600_000 + RUNS * 2000,
  );
});

/**
 * Does one deed of the application, with others between the statements of one that is slow. `late`: ids of rows under a
 * key from before.
 */
async function act(
  clinic: Clinic,
  texts: Map<number, string>,
  late: Set<number>,
  { kind, id, beside, isLate }: Deed,
  scheduler: StatementScheduler,
): Promise<void> {
  const first = (make: () => Promise<unknown>) => scheduler.pass('application', kind, make, beside);
  const commit = () => scheduler.pass('application', 'COMMIT', () => application.query('COMMIT'));
  if (kind === 'rotate') {
    await first(async () => {
      if (clinic.world.versionIds.size < 4) await clinic.world.rotate();
      clinic.world.clock.sleep(31_000);
    });
  } else if (kind === 'delete') {
    await first(() => application.query('DELETE FROM patients WHERE id = $1', [id]));
    texts.delete(id);
  } else if (kind === 'hold') {
    await first(() => application.query('BEGIN; SELECT FROM patients FOR UPDATE'));
    await commit();
  } else if (kind === 'add' || texts.has(id)) {
    const text = `${kind} ${id} beside ${beside}`;
    await first(async () => {
      if (kind === 'write slowly') await application.query('BEGIN');
      await application.query(
        'INSERT INTO patients VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET notes = excluded.notes',
        [id, clinic.row(text, isLate ? 1 : clinic.world.versionIds.size, `p:${id}`)],
      );
    });
    if (isLate) late.add(id);
    if (kind === 'write slowly') await commit();
    texts.set(id, text);
  }
}
