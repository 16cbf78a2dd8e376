import { exploreEach } from './support/scenarios/explore-each.ts';
import { LARGE_OLD_ANSWERS, LARGE_SCENARIOS } from './support/scenarios/scenarios.ts';

describe('whatever is killed and retried, no key is lost', () => {
  exploreEach([...LARGE_SCENARIOS, ...LARGE_OLD_ANSWERS]);
});
