import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { fillPatients, patientRow as row, PATIENTS } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
afterEach(stopServices);
afterAll(() => postgres.stop());

const reencrypt = (ring: TestRing, options: readonly string[]) =>
  pazpazKeys(ring, ['reencrypt', ...PATIENTS, ...options], { environment: { DATABASE_URL: postgres.url } });

test('reencrypt counts its own encryptions: on the screen, in JSON, and as key_usage in a log that is collected', async () => {
  const ring = await ringWith(1, current(2));
  await fillPatients(
    postgres,
    Array.from({ length: 1200 }, (_, index) => row('note', 1, index + 1)),
  );
  const ran = await reencrypt(ring, []);
  expect(ran.stdout).toContain('This process encrypted 1,20');
  expect(ran.stdout).toContain('times with key 2: less than 0.01 % of the limit for one key.');
  const line = JSON.parse(ran.stderr.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  expect(line).toMatchObject({ event: 'key_usage', secret_id: SECRET, key_number: 2 });
  expect(line['encryptions_added']).toBeGreaterThanOrEqual(1200);

  await fillPatients(postgres, [row('note', 1, 1)]);
  const again = await reencrypt(ring, ['--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({
    result: { encryptions: [{ keyNumber: 2, encryptions: expect.any(Number) as number }] },
  });
  expect(again.stderr).toBe('');
});
