import type { Scenario } from './scenario.ts';
import { NUMBERED, UNNUMBERED, UNNUMBERED_ONE } from './scenario-kinds.ts';

const BECOMES_CURRENT = { firstPendingValue: 'becomes-current' as const };

/** One rotation after another, with any call killed, up to three in one schedule. */
const ONE: readonly Scenario[] = [
  { name: 'one key that never had a number', ring: UNNUMBERED_ONE },
  { name: 'two keys that never had a number', ring: UNNUMBERED },
  { name: 'a numbered ring', ring: NUMBERED },
  { name: 'no value, the first put stays pending', ring: {} },
  { name: 'no value, the first put becomes current', ring: {}, behaviour: BECOMES_CURRENT },
  { name: 'AWSPENDING left on the new key', ring: NUMBERED, behaviour: { pendingAfterSuccess: 'left' as const } },
  { name: 'a test run that may die', ring: UNNUMBERED_ONE, testRun: true },
].map((scenario) => ({ ...scenario, attempts: 1, faults: 3, retries: 4, rotations: 2 }));

/** Two overlapping attempts of one token, every interleaving of their calls, with up to two calls killed. */
const TWO: readonly Scenario[] = [
  { name: 'two attempts on one key that never had a number', ring: UNNUMBERED_ONE },
  { name: 'two attempts on two keys that never had a number', ring: UNNUMBERED },
  { name: 'two attempts on a numbered ring', ring: NUMBERED },
  { name: 'two attempts, no value, the first put stays pending', ring: {} },
  { name: 'two attempts, no value, the first put becomes current', ring: {}, behaviour: BECOMES_CURRENT },
].map((scenario) => ({ ...scenario, attempts: 2, faults: 2, retries: 2, rotations: 1 }));

const OPERATIONS = ['put by hand', 'rollback by hand', 'rollback', 'cancel'] as const;

/** One thing that an operator does at any moment beside one attempt, of whose calls one is killed. */
const OPERATED: readonly Scenario[] = OPERATIONS.map((operation) => ({
  name: `${operation}, one attempt`,
  ring: UNNUMBERED_ONE,
  attempts: 1,
  faults: 1,
  retries: 2,
  rotations: operation === 'put by hand' ? 1 : 2,
  operators: [[operation]],
}));

/** One operation beside two overlapping attempts, which continue after their rotation was abandoned. */
const OPERATED_TWO: readonly Scenario[] = OPERATIONS.map((operation) => ({
  name: `${operation}, two attempts`,
  ring: NUMBERED,
  attempts: 2,
  faults: 0,
  retries: 0,
  rotations: operation === 'cancel' ? 2 : 1,
  operators: [[operation]],
}));

function isPut({ operators }: Scenario): boolean {
  return operators?.[0]?.[0] === 'put by hand';
}

/** Operations where the rest of the state is unusual. */
const UNUSUAL: readonly Scenario[] = [
  {
    name: 'rollback by hand while AWSPENDING stays on the new key',
    ring: NUMBERED,
    operators: [['rollback by hand' as const]],
    behaviour: { pendingAfterSuccess: 'left' as const },
    rotations: 2,
  },
  {
    name: 'put by hand beside a test run',
    ring: UNNUMBERED_ONE,
    operators: [['put by hand' as const]],
    testRun: true,
    rotations: 2,
  },
  {
    name: 'put by hand, unlabelled versions kept',
    ring: NUMBERED,
    operators: [['put by hand' as const]],
    behaviour: { unlabelledVersions: 'kept' as const },
  },
  { name: 'put by hand into a secret without a value', ring: {}, operators: [['put by hand' as const]] },
].map((scenario) => ({ rotations: 1, ...scenario, attempts: 1, faults: 0, retries: 0 }));

/** Whatever it is killed at, `status` says how to go on. */
const GIVEN_UP: Scenario = {
  name: 'a rotation that no one tries again',
  ring: UNNUMBERED,
  attempts: 1,
  faults: 1,
  retries: 0,
  rotations: 1,
};

/** What `npm test` explores of rotations. */
export const ROTATION_SCENARIOS: readonly Scenario[] = [
  ...ONE,
  ...TWO,
  ...OPERATED,
  // A put beside two attempts makes many states: explored deeply.
  ...OPERATED_TWO.filter((scenario) => !isPut(scenario)),
  ...UNUSUAL,
  GIVEN_UP,
];

/** Wider bounds, for `npm run explore`: further kills, and a second rotation beside what is left of the first. */
export const DEEP_ROTATION_SCENARIOS: readonly Scenario[] = [
  ...UNUSUAL.map((scenario) => ({ ...scenario, rotations: 2 })),
  ...TWO.map((scenario) => ({ ...scenario, faults: 3 })),
  ...OPERATED.map((scenario) =>
    isPut(scenario) ? { ...scenario, retries: 1, rotations: 2 } : { ...scenario, faults: 2, rotations: 2 },
  ),
  ...OPERATED_TWO.map((scenario) => (isPut(scenario) ? scenario : { ...scenario, rotations: 2 })),
  // Only a put beside them leaves a version without a label.
  ...OPERATED_TWO.filter(isPut).map((scenario) => ({
    ...scenario,
    name: `${scenario.name}, unlabelled versions kept`,
    behaviour: { unlabelledVersions: 'kept' as const },
  })),
];
