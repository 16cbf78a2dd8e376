import { stopServices } from '../local/support/running-service.ts';
import { current, ringWith } from '../support/ring.ts';
import { giveCredentials, pazpazKeys } from './support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

test('a request that AWS takes and never answers is given up and made again', async () => {
  const ring = await ringWith(current(1));
  ring.service.faults.set({ kind: 'delay', operation: 'DescribeSecret', nth: 1, milliseconds: 600_000 });
  const warn = jest.spyOn(console, 'warn');
  const { exitCode, stdout } = await pazpazKeys(ring, ['status', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ result: { currentNumber: 1 } });
  expect([exitCode, warn.mock.calls]).toEqual([0, []]);
});
