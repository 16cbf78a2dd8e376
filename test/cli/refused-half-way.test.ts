import { giveCredentials, pazpazKeys } from './support/operator.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, previous, ringWith } from '../support/ring.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

test.each([
  { args: ['put', '--generate', '--yes'], changed: 'stored a value as version' },
  { args: ['retire', '1', '--force', '--confirm', '1'], changed: 'set the tag pazpaz:retired:key-v1' },
])('$args, which AWS refuses half way, says what was changed and that status helps', async ({ args, changed }) => {
  const ring = await ringWith(1, previous(2), current(3));
  const denied = { kind: 'error', type: 'AccessDeniedException', message: 'not for you' } as const;
  ring.service.faults.set({ operation: 'UpdateSecretVersionStage', ...denied });
  const { exitCode, stderr } = await pazpazKeys(ring, args);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`Changed:\n  ${changed}`);
  expect(stderr).toContain('\nWhat to do next:\n  pazpaz-keys status');
});
