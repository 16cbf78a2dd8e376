import { Advice } from './support/advice.ts';
import { IN_ORDER, labelStates, nameOfLabels, secretOfLabels, type LabelState } from './support/labels-by-hand.ts';
import { killed } from './support/killed-command.ts';
import { ModelRows } from './support/model-rows.ts';
import { firstMemory } from './support/monitors/monitor.ts';
import { buildMutant } from './support/mutants/mutant.ts';
import { product, type Product } from './support/product.ts';
import { SECRET_ARN } from './support/program.ts';
import { numbersFrom } from './support/scenarios/random-scenario.ts';
import { BEHAVIOUR } from './support/scenarios/scenario.ts';

/** One of so many states; `npm run explore` looks at more. The numbers have no divisor in common with those of places. */
const EVERY = process.env['EXPLORE'] === 'deep' ? 97 : 9001;

const BY_HAND = { ...BEHAVIOUR, unlabelledVersions: 'kept' } as const;

jest.setTimeout(3_600_000);

test('wherever people have put the labels, what status names leads to an end, and no row is lost', async () => {
  const advice = adviceOf(product);
  const failures: string[] = [];
  let count = 0;
  for (const state of labelStates(EVERY)) {
    count += 1;
    await follow(advice, state).catch((error: unknown) => {
      failures.push(`${nameOfLabels(state)}: ${String(error)}`);
    });
  }
  process.stdout.write(`\nLabels by hand: ${count} states\n`);
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(50);
});

const COMMANDS = [
  ...['adopt', 'maintain', 'backup', 'rollback', 'rotate --clean-up', 'put Z', 'put --not-current Z'],
  ...['move --kms-key-id K', 'move --kms-key-id L', 'restore-ring ABCD', 'restore-ring --retired ABCD'],
  ...['restore 1 2', 'retire 1', 'retire 1 2'],
];

test('and so it does after any command that was killed there', async () => {
  const advice = adviceOf(product);
  const random = numbersFrom(1);
  const failures: string[] = [];
  let count = 0;
  for (const state of labelStates(EVERY * 11)) {
    for (const line of COMMANDS) {
      count += 1;
      const secret = secretOfLabels(state);
      const rows = new ModelRows(secret);
      const calls = Math.floor(random() * 40);
      const followed = killed(product, BY_HAND, { secret, rows, line, calls }).then((left) =>
        advice.follow(left, rows),
      );
      await followed.catch((error: unknown) => {
        failures.push(`${nameOfLabels(state)}, ${line} killed after ${calls} calls: ${String(error)}`);
      });
    }
  }
  process.stdout.write(`Commands killed there: ${count}\n`);
  expect(failures).toEqual([]);
});

describe('that notices what is taken out', () => {
  const unnumbered = { room: 'none: keys', current: 'unnumbered', previous: 'unnumbered' } as const;

  test.each([
    ['the place of AWSPENDING for the current key', 'src/cli/ring/adoption.ts', 'room >= 1', 'room >= 99', unnumbered],
    [
      'that adoption ends a move where a number needs its place',
      'src/cli/ring/adoption.ts',
      '[...idle, ...ended], keys)',
      'idle, keys)',
      { ...unnumbered, moving: 'older' },
    ],
    [
      'that a rollback needs no label for a key that it leaves',
      'src/cli/commands/rollback.ts',
      'if (keys.has(current) && keys.has(previous)) await requireSlots',
      'await requireSlots',
      { room: 'none: keys', current: 'no key', previous: 'unnumbered' },
    ],
    [
      'the newest key for a current value that is none',
      'src/cli/status/make-room.ts',
      'if (slots.free > 0 || newest === undefined)',
      'if (slots.free < 99)',
      { room: 'none: keys', current: 'no key', previous: 'no key' },
    ],
  ] as const)('%s', async (takenOut, file, from, to, places) => {
    const mutant = await buildMutant({ takenOut, file, from, to, scenario: '', breaks: /./ });
    const state: LabelState = { ...IN_ORDER, ...places };
    await follow(adviceOf(product), state);
    await expect(follow(adviceOf(mutant), state)).rejects.toThrow('status gives advice that does not help');
  });
});

function adviceOf(built: Product): Advice {
  return new Advice(built, BY_HAND, 'restore-ring ABCD');
}

async function follow(advice: Advice, state: LabelState): Promise<void> {
  const secret = secretOfLabels(state);
  const found = { service: { secrets: { [SECRET_ARN]: secret } }, memory: firstMemory(secret), day: 1 };
  await advice.follow(found, new ModelRows(secret));
}
