import { product } from '../product.ts';
import { exploreScenario } from './explore-scenario.ts';
import type { Scenario } from './scenario.ts';

/** A test for each scenario. Afterwards the size of each is printed. */
export function exploreEach(scenarios: readonly Scenario[]): void {
  let printed = '';
  afterAll(() => {
    process.stdout.write(`\nExplored schedules (at most so many of each in one schedule)\n${printed}\n`);
  });

  test.each(scenarios)('$name', async (scenario) => {
    const { states, schedules, ends } = await exploreScenario(scenario, product);
    printed += `  ${scenario.name}: ${schedules} schedules in ${states} states, ends: ${ends} (${boundsOf(scenario)})\n`;
    expect(ends).toBeGreaterThan(0);
  });
}

function boundsOf({ faults, retries, repeats = 0, rotations, days = 0, stale }: Scenario): string {
  const always = `kills ${faults}, retries ${retries}, rotations ${rotations}`;
  const old = stale === undefined ? [] : [`descriptions that are up to ${stale.writesOld} writes old ${stale.answers}`];
  return [always, ...(repeats > 0 ? [`repeats ${repeats}`] : []), ...(days > 0 ? [`days ${days}`] : []), ...old].join(
    ', ',
  );
}
