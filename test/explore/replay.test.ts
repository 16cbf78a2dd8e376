import { startService, stopServices } from '../local/running-service.ts';
import { randomSchedule } from './explore.ts';
import { product } from './product.ts';
import { Replay } from './replay.ts';
import { begin, SCENARIOS } from './scenarios.ts';
import { labelsOf, secretOf, tokenOf } from './world.ts';

/** Schedules of each scenario that are played again over HTTP. */
const SAMPLE = 5;

afterEach(stopServices);

describe('a sample of the explored schedules ends the same through the SDK over HTTP', () => {
  test.each(SCENARIOS)('$name', async (scenario) => {
    const { moves, first, start } = await begin(scenario, product);
    const random = numbersFrom(scenario.name);
    for (let sample = 0; sample < SAMPLE; sample++) {
      const { schedule, end } = await randomSchedule(moves, start, random);
      const { behaviour } = moves.context;
      const { client } = await startService({ behaviour, notices: false, tries: 1 });
      const replay = await Replay.of(client, product, first, behaviour);
      await replay.startRotation(tokenOf(1), scenario.testRun !== true);
      for (const scheduled of schedule) await replay.play(scheduled);

      expect(replay.waiting).toBe(0);
      // DescribeSecret leaves out what has no label.
      const labelled = labelsOf(secretOf(end.service)).filter(([, labels]) => labels !== '');
      const expected = labelled.map(([id, labels, value]) => [id, `${labels} ${value}`]);
      expect(await replay.seen()).toEqual(Object.fromEntries(expected));
    }
  });
});

/** Numbers from 0 to 1 that are the same on every run (a linear congruential generator, seeded by a name). */
function numbersFrom(name: string): () => number {
  let state = Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 1);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
