import { handle } from '../../src/steps/handle.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, ringWith } from '../support/ring.ts';

afterEach(stopServices);

test.each([
  ['a fault of the program', new TypeError('key abc'), 'TypeError'],
  ['what is no error', 'key abc', 'unknown'],
])('%s is logged by its name alone: its message could hold anything', async (_, thrown, reason) => {
  const ring = await ringWith(current(1));
  await ring.begin();
  const randomKey = () => {
    throw thrown as Error;
  };
  const event = { Step: 'createSecret', SecretId: ring.secret.arn, ClientRequestToken: ring.idOf(2) };
  await expect(handle({ ...ring.deps, randomKey }, event)).rejects.toBe(thrown);
  expect(ring.log.at(-1)).toMatchObject({ event: 'rotation_step_failed', code: 'UNEXPECTED', reason });
});
