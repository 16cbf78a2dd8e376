import { explore, type Exploration } from '../explore.ts';
import type { Product } from '../product.ts';
import { begin, type Scenario } from './scenario.ts';

/** Explores everything that can happen to a product in a scenario. */
export async function exploreScenario(scenario: Scenario, product: Product): Promise<Exploration> {
  const { moves, start, checkEnd } = await begin(scenario, product);
  return explore(moves, start, checkEnd);
}
