import { randomSchedule } from './support/explore.ts';
import { product } from './support/product.ts';
import { numbersFrom, randomScenario } from './support/scenarios/random-scenario.ts';
import { begin } from './support/scenarios/scenario.ts';

/** Schedules of each run; `npm run explore` runs the longer one. `RANDOM_SEED` runs the schedules from that seed on. */
const SCHEDULES = process.env['EXPLORE'] === 'deep' ? 20_000 : 300;
const FIRST_SEED = Number(process.env['RANDOM_SEED'] ?? (process.env['EXPLORE'] === 'deep' ? Date.now() % 1e9 : 1));

jest.setTimeout(3_600_000);

test(`${SCHEDULES} random schedules with old answers end without a lost key and without a false report`, async () => {
  process.stdout.write(`\nRandom schedules: seeds ${FIRST_SEED} to ${FIRST_SEED + SCHEDULES - 1}\n`);
  let moves = 0;
  let old = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    const random = numbersFrom(seed);
    const scenario = randomScenario(random);
    try {
      const beginning = await begin(scenario, product);
      const { schedule } = await randomSchedule(beginning.moves, beginning.start, random, beginning.checkEnd);
      moves += schedule.length;
      old += schedule.filter(({ move }) => move.kind === 'call' && (move.writesOld ?? 0) > 0).length;
    } catch (error) {
      throw error instanceof Error ? new Error(`seed ${seed}, ${scenario.name}: ${error.message}`) : error;
    }
  }
  process.stdout.write(`Random schedules: ${moves} moves, ${old} old answers\n`);
  expect(old).toBeGreaterThan(SCHEDULES / 4);
});
