import { exploreScenario } from './support/scenarios/explore-scenario.ts';
import { product } from './support/product.ts';
import type { Scenario } from './support/scenarios/scenario.ts';
import {
  DEEP_SCENARIOS,
  LARGE_OLD_ANSWERS,
  LARGE_SCENARIOS,
  OLD_ANSWERS,
  SCENARIOS,
} from './support/scenarios/scenarios.ts';

/** By the width of a run: `npm run explore:wide` takes minutes, `npm run explore` longer. */
const EXPLORED: Readonly<Record<string, readonly Scenario[]>> = {
  usual: [...SCENARIOS, ...OLD_ANSWERS],
  wide: [...LARGE_SCENARIOS, ...LARGE_OLD_ANSWERS],
  deep: [...DEEP_SCENARIOS, ...LARGE_OLD_ANSWERS],
};
const explored = EXPLORED[process.env['EXPLORE'] ?? 'usual'] ?? [];

// On a busy machine the largest of the deep ones takes some ten minutes.
jest.setTimeout(1_800_000);

describe('whatever is killed and retried, no key is lost', () => {
  let printed = '';
  afterAll(() => {
    process.stdout.write(`\nExplored schedules (at most so many of each in one schedule)\n${printed}\n`);
  });

  test.each(explored)('$name', async (scenario) => {
    const { states, schedules, ends } = await exploreScenario(scenario, product);
    printed += `  ${scenario.name}: ${schedules} schedules in ${states} states, ends: ${ends} (${boundsOf(scenario)})\n`;
    expect(ends).toBeGreaterThan(0);
  });
});

function boundsOf({ faults, retries, repeats = 0, rotations, days = 0, stale }: Scenario): string {
  const always = `kills ${faults}, retries ${retries}, rotations ${rotations}`;
  const old = stale === undefined ? [] : [`descriptions that are up to ${stale.writesOld} writes old ${stale.answers}`];
  return [always, ...(repeats > 0 ? [`repeats ${repeats}`] : []), ...(days > 0 ? [`days ${days}`] : []), ...old].join(
    ', ',
  );
}
