import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { FULL_SPEED } from '../../../src/postgres/job/brakes.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';
import { PacedClock } from '../job/support/paced-clock.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };

describe('a role that loses in the middle of a job what it began with', () => {
  const END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'operator'";
  const LOST = 'DROP OWNED BY operator; DROP ROLE IF EXISTS operator';

  afterEach(async () => {
    await postgres.client.query(LOST);
  });

  it.each([
    ['the table', 'REVOKE ALL ON patients FROM operator', 'GRANT SELECT, UPDATE ON patients TO operator'],
    ['the column', 'REVOKE UPDATE ON patients FROM operator', 'GRANT SELECT, UPDATE ON patients TO operator'],
    ['its login', `ALTER ROLE operator NOLOGIN; ${END}`, 'ALTER ROLE operator LOGIN'],
  ])('is told what to do, and the same command continues: %s', async (_, loses, gains) => {
    const clinic = await Clinic.withKeys(postgres, 2);
    const ids = Array.from({ length: 12 }, (_, index) => index + 1);
    await clinic.table(
      'patients',
      'bytea',
      ids.map((id) => clinic.row(`note ${id}`, 1, `patients:${id}:notes`)),
    );
    await clinic.sql(`DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; CREATE ROLE operator LOGIN;
      GRANT CREATE ON DATABASE postgres TO operator; GRANT SELECT, UPDATE ON patients TO operator`);
    const operator = { url: postgres.url.replace('postgres@', 'operator@') };
    let slept = 0;
    const clock = new PacedClock(() => (++slept === 3 ? clinic.sql(loses) : undefined));
    const brakes = { ...FULL_SPEED, maxRowsPerSecond: 5 };
    const running = reencrypt(operator, [SPEC], clinic.keys, { clock, brakes, connections: 1 });
    const { message } = await rejectionOf(running);
    await clinic.sql(gains);
    expect(message).toMatch(/[Gg]ive it back .*run the same command again: it continues the job/);
    const [report] = await reencrypt(operator, [SPEC], clinic.keys);
    expect(report).toMatchObject({ isFinished: true, isResumed: true, totals: { reencrypted: 12, left: 0 } });
  });
});
