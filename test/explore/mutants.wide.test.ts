import { buildMutant } from './support/mutants/mutant.ts';
import { MUTANTS } from './support/mutants/mutants.ts';
import { exploreScenario } from './support/scenarios/explore-scenario.ts';
import { DEEP_SCENARIOS, SCENARIOS } from './support/scenarios/scenarios.ts';
import { STALE_MUTANTS, STALE_SCENARIOS } from './support/scenarios/stale-scenarios.ts';

describe('the exploration notices what is taken out', () => {
  test.each([...MUTANTS, ...STALE_MUTANTS])('$takenOut', async (mutant) => {
    const scenario = [...SCENARIOS, ...DEEP_SCENARIOS, ...STALE_SCENARIOS].find(({ name }) => name === mutant.scenario);
    if (scenario === undefined) throw new Error(`there is no scenario '${mutant.scenario}'`);
    await expect(exploreScenario(scenario, await buildMutant(mutant))).rejects.toThrow(mutant.breaks);
  });
});
