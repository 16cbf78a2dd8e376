import { Clock } from '../../src/local/clock.ts';
import { Scheduler } from '../../src/local/scheduler.ts';
import type { ServiceState } from '../../src/local/service/state.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);

/** A secret whose next rotation is always an hour after the last. */
function hourly() {
  const clock = new Clock(() => START);
  let next = START + HOUR;
  let rotations = 0;
  const scheduler = new Scheduler({
    clock,
    state: (): ServiceState => ({
      secrets: {
        arn: {
          arn: 'arn',
          name: 'key',
          tags: [],
          createdDate: START,
          lastChangedDate: START,
          versions: {},
          rotation: { enabled: true, lambdaArn: 'lambda', rules: {}, nextRotationDate: next },
        },
      },
    }),
    carryOut: () => {
      rotations++;
      next += HOUR;
      return Promise.resolve();
    },
    idle: () => Promise.resolve(),
  });
  return { clock, scheduler, rotations: () => rotations };
}

test('a move carries out what falls due on the way', async () => {
  const { scheduler, rotations } = hourly();
  await scheduler.moveTo((now) => now + 10 * HOUR);
  expect(rotations()).toBe(10);
  await scheduler.stop();
});

test('a move by thousands of years stops after a thousand rotations, and says where the clock stands', async () => {
  const { clock, scheduler, rotations } = hourly();
  await expect(scheduler.moveTo(() => Date.UTC(9000, 0, 1))).rejects.toThrow(/clock stopped at 2026-02-11T16:00/);
  expect(rotations()).toBe(1000);
  expect(clock.now()).toBe(START + 1000 * HOUR);
  await scheduler.stop();
});
