import { exploreEach } from './support/scenarios/explore-each.ts';
import { DEEP_SCENARIOS, LARGE_OLD_ANSWERS, OLD_ANSWERS, SCENARIOS } from './support/scenarios/scenarios.ts';

// On a busy machine the largest of the deep ones takes some ten minutes.
jest.setTimeout(1_800_000);

describe('whatever is killed and retried, no key is lost', () => {
  // `npm run explore` sets this: wider bounds, a few minutes.
  const isDeep = process.env['EXPLORE'] === 'deep';
  exploreEach(isDeep ? [...DEEP_SCENARIOS, ...LARGE_OLD_ANSWERS] : [...SCENARIOS, ...OLD_ANSWERS]);
});
