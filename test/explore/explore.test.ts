import { explore } from './explore.ts';
import { buildMutant, MUTANTS } from './mutants.ts';
import { product, type Product } from './product.ts';
import { begin, DEEP_SCENARIOS, SCENARIOS, type Scenario } from './scenarios.ts';

// `npm run explore` sets this: wider bounds, a few minutes.
const explored = process.env['EXPLORE'] === 'deep' ? DEEP_SCENARIOS : SCENARIOS;

jest.setTimeout(600_000);

async function run(scenario: Scenario, of: Product) {
  const { moves, start } = await begin(scenario, of);
  return explore(moves, start);
}

describe('whatever is killed and whoever retries, no key is lost', () => {
  let printed = '';
  afterAll(() => {
    process.stdout.write(`\nExplored schedules (kills and retries: at most so many in one schedule)\n${printed}\n`);
  });

  test.each(explored)('$name', async (scenario) => {
    const { states, schedules, ends } = await run(scenario, product);
    const bounds = `kills ${scenario.faults}, retries ${scenario.retries}, rotations ${scenario.rotations}`;
    printed += `  ${scenario.name}: ${schedules} schedules in ${states} states (${bounds})\n`;
    expect(ends).toBeGreaterThan(0);
  });
});

describe('the exploration notices what is taken out', () => {
  test.each(MUTANTS)('$takenOut', async (mutant) => {
    const scenario = SCENARIOS.find(({ name }) => name === mutant.scenario);
    if (scenario === undefined) throw new Error(`there is no scenario '${mutant.scenario}'`);
    await expect(run(scenario, await buildMutant(mutant))).rejects.toThrow(mutant.breaks);
  });
});
