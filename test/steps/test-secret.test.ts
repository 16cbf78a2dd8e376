import * as proof from '../../src/steps/prove-key.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, ringWith } from '../support/ring.ts';

jest.mock('../../src/steps/prove-key.ts', () => ({
  __esModule: true,
  ...jest.requireActual<object>('../../src/steps/prove-key.ts'),
}));

afterEach(async () => {
  jest.restoreAllMocks();
  await stopServices();
});

test('testSecret tries every different key of the ring on what the new one has encrypted', async () => {
  const ring = await ringWith(1, 4, current(5));
  const tried = jest.spyOn(proof, 'requireForeign');
  await ring.rotate();
  expect(tried.mock.calls.map(([, , number]) => number)).toEqual([1, 4, 5]);
});

test('testSecret does not hold it against a copy of the current key, in a test run, that this one opens it', async () => {
  const ring = await ringWith(1, current(2));
  const tried = jest.spyOn(proof, 'requireForeign');
  expect(await ring.rotate({ RotateImmediately: false })).toMatchObject({ outcome: 'succeeded' });
  expect(tried.mock.calls.map(([, , number]) => number)).toEqual([1]);
});

test('a failed proof stops the rotation before anything is promoted', async () => {
  const ring = await ringWith(current(1));
  jest.spyOn(proof, 'proveKey').mockImplementation(() => {
    throw new Error('the runtime is broken');
  });
  expect(await ring.rotate()).toMatchObject({ outcome: 'given up' });
  expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPENDING' });
  expect(ring.proven.size).toBe(0);
});
