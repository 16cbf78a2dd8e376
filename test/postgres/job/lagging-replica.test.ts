import { setTimeout as sleep } from 'node:timers/promises';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import { startReplica } from '../support/replica.ts';
import type { Postgres } from '../support/postgres.ts';

let primary: Postgres;
let replica: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  primary = await startPostgres();
  clinic = await Clinic.withKeys(primary, 2);
  await clinic.table('patients', 'bytea', [clinic.row('note', 1), clinic.row('another', 1)]);
  replica = await startReplica(primary);
});
afterAll(async () => {
  await replica.stop();
  await primary.stop();
});

const SPEC = { table: 'patients', column: 'notes' };

/** Waits until the replica's lag is as it should be; the primary writes, since a lag is measured on what is written. */
async function untilLag(isReached: (seconds: number) => boolean): Promise<void> {
  for (;;) {
    await clinic.sql('SELECT pg_logical_emit_message(true, $1, $1)', ['something']);
    const [found] = await clinic.sql<{ seconds: string | null }>(
      'SELECT extract(epoch FROM replay_lag) AS seconds FROM pg_stat_replication',
    );
    if (found?.seconds != null && isReached(Number(found.seconds))) return;
    await sleep(100);
  }
}

it('a job waits while a streaming replica lags, and continues once it has replayed', async () => {
  await untilLag((seconds) => seconds < 1);
  await replica.client.query('SELECT pg_wal_replay_pause()');
  await untilLag((seconds) => seconds > 2);

  const waits: string[] = [];
  const running = clinic.reencrypt(SPEC, {
    brakes: { ...FULL_SPEED, maxLagSeconds: 2 },
    onBatch: ({ waitsFor }) => {
      if (waitsFor !== undefined) waits.push(waitsFor);
    },
  });
  while (waits.length === 0) await sleep(50);
  expect(waits[0]).toMatch(/^replica copy lags \d+ s, at most 2 s$/);
  expect((await clinic.census(SPEC)).numbered).toEqual({ 1: 2 });

  await replica.client.query('SELECT pg_wal_replay_resume()');
  await untilLag((seconds) => seconds < 1);
  expect(await running).toMatchObject({ isFinished: true, ownReencrypted: 2, waited: [{ brake: 'replication-lag' }] });
});
