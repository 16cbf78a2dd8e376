import { inProcessClient } from '../local/support/in-process-client.ts';
import { startService, stopServices } from '../local/support/running-service.ts';
import { randomSchedule } from './support/explore.ts';
import { product } from './support/product.ts';
import { DAY, momentOf } from './support/program.ts';
import { numbersFrom, seedOf } from './support/scenarios/random-scenario.ts';
import { Replay } from './support/replay.ts';
import { begin } from './support/scenarios/scenario.ts';
import { DEEP_SCENARIOS, SCENARIOS } from './support/scenarios/scenarios.ts';
import { labelsOf, secretOf, tokenOf, type World } from './support/world.ts';

const IS_DEEP = process.env['EXPLORE'] === 'deep';
/** Schedules of each scenario that are played again. */
const SAMPLE = IS_DEEP ? 20 : 1;
const REPLAYED = IS_DEEP ? [...SCENARIOS, ...DEEP_SCENARIOS] : SCENARIOS;

afterEach(stopServices);

// With sockets in `npm run explore` only: they take two thirds of the time.
describe('a sample of the explored schedules ends the same through the SDK', () => {
  test.each(REPLAYED)('$name', async (scenario) => {
    const { moves, first, start } = await begin(scenario, product);
    const random = numbersFrom(seedOf(scenario.name));
    for (let sample = 0; sample < SAMPLE; sample++) {
      const { schedule, end } = await randomSchedule(moves, start, random);
      const { client, service, url } = await startService({
        behaviour: moves.behaviour,
        notices: false,
        tries: 1,
        realNow: () => momentOf(0),
        initial: { clockOffset: first.day * DAY, state: first.service },
      });
      const replay = new Replay(IS_DEEP ? client : inProcessClient(service, url), service, moves);
      if (scenario.attempts > 0) await replay.startRotation(tokenOf(1), scenario.testRun !== true);
      for (const scheduled of schedule) await replay.play(scheduled);

      expect(replay.waiting).toBe(0);
      expect(await replay.seen()).toEqual(shown(end));
    }
  });
});

/** What a client sees of a world's secret: DescribeSecret leaves out what has no label. */
function shown({ service }: World): Readonly<Record<string, string>> {
  const secret = secretOf(service);
  const labelled = labelsOf(secret).filter(([, labels]) => labels !== '');
  return Object.fromEntries([
    ...labelled.map(([id, labels, value]) => [id, `${labels} ${value}`]),
    ...secret.tags.map(({ Key, Value }) => [Key, Value]),
  ]) as Record<string, string>;
}
