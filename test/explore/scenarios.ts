import type { Behaviour, Secret, SecretVersion } from '../../src/local/state.ts';
import { firstMemory } from './monitor.ts';
import { Moves } from './moves.ts';
import { NOW } from './program.ts';
import type { Product } from './product.ts';
import { ARN, tokenOf, type Operation, type World } from './world.ts';

/** Where an exploration begins and what it allows. */
export interface Scenario {
  readonly name: string;
  /** Labels of each version beside a value of its own; the letter stands for its VersionId. */
  readonly ring: Readonly<Record<string, string>>;
  /** Attempts of the first rotation that run side by side from the start. */
  readonly attempts: 1 | 2;
  /** Calls that may be killed before or after they take effect, or be made twice. */
  readonly faults: number;
  /** Times that the service runs the steps again after a failure. */
  readonly retries: number;
  /** Rotations in all. */
  readonly rotations: number;
  readonly operation?: Operation;
  /** The first rotation is a test run: `RotateImmediately=false`. */
  readonly testRun?: boolean;
  readonly behaviour?: Partial<Behaviour>;
}

const BEHAVIOUR: Behaviour = {
  unlabelledVersions: 'deleted-at-once',
  firstPendingValue: 'stays-pending',
  pendingAfterSuccess: 'removed',
};

/** The moves of a scenario, the world before anything happened, and the one in which its first rotation has begun. */
export async function begin(
  scenario: Scenario,
  product: Product,
): Promise<{ readonly moves: Moves; readonly first: World; readonly start: World }> {
  const moves = new Moves(product, { ...BEHAVIOUR, ...scenario.behaviour });
  const secret = secretWith(scenario.ring);
  const first: World = {
    service: { secrets: { [ARN]: secret } },
    actors: [],
    memory: firstMemory(secret),
    operation: scenario.operation,
    faults: scenario.faults,
    retries: scenario.retries,
    rotations: scenario.rotations,
    started: 0,
    toCleanUp: undefined,
    nextId: 1,
  };
  const start = await moves.startRotation(first, { RotateImmediately: scenario.testRun !== true });
  return { moves, first, start: scenario.attempts === 1 ? start : await moves.withOverlap(start, tokenOf(1)) };
}

function secretWith(ring: Scenario['ring']): Secret {
  const versions = Object.entries(ring).map(([letter, labels]): [string, SecretVersion] => [
    letter.repeat(32),
    {
      value: { kind: 'string', text: Buffer.alloc(32, letter).toString('base64') },
      stages: labels.split(' '),
      createdDate: NOW,
    },
  ]);
  return {
    arn: ARN,
    name: 'pazpaz/encryption-key-v1',
    tags: [],
    createdDate: NOW,
    lastChangedDate: NOW,
    versions: Object.fromEntries(versions),
  };
}

const BECOMES_CURRENT = { firstPendingValue: 'becomes-current' as const };
const UNNUMBERED = { A: 'AWSCURRENT' };
const TWO_UNNUMBERED = { A: 'AWSPREVIOUS', B: 'AWSCURRENT' };
const NUMBERED = { A: 'key-v1 AWSPREVIOUS', B: 'key-v2 AWSCURRENT' };

/** One rotation after another, with any call killed, up to three in one schedule. */
const ONE: readonly Scenario[] = [
  { name: 'one key that never had a number', ring: UNNUMBERED },
  { name: 'two keys that never had a number', ring: TWO_UNNUMBERED },
  { name: 'a numbered ring', ring: NUMBERED },
  { name: 'no value, the first put stays pending', ring: {} },
  { name: 'no value, the first put becomes current', ring: {}, behaviour: BECOMES_CURRENT },
  { name: 'AWSPENDING left on the new key', ring: NUMBERED, behaviour: { pendingAfterSuccess: 'left' as const } },
  { name: 'a test run that may die', ring: UNNUMBERED, testRun: true },
].map((scenario) => ({ ...scenario, attempts: 1, faults: 3, retries: 4, rotations: 2 }));

/** Two overlapping attempts of one token, every interleaving of their calls, with up to two calls killed. */
const TWO: readonly Scenario[] = [
  { name: 'two attempts on one key that never had a number', ring: UNNUMBERED },
  { name: 'two attempts on two keys that never had a number', ring: TWO_UNNUMBERED },
  { name: 'two attempts on a numbered ring', ring: NUMBERED },
  { name: 'two attempts, no value, the first put stays pending', ring: {} },
  { name: 'two attempts, no value, the first put becomes current', ring: {}, behaviour: BECOMES_CURRENT },
].map((scenario) => ({ ...scenario, attempts: 2, faults: 2, retries: 2, rotations: 1 }));

const OPERATIONS = ['put by hand', 'rollback by hand', 'rollback', 'cancel'] as const;

/** One thing that an operator does at any moment beside one attempt, of whose calls one is killed. */
const OPERATED: readonly Scenario[] = OPERATIONS.map((operation) => ({
  name: `${operation}, one attempt`,
  ring: UNNUMBERED,
  attempts: 1,
  faults: 1,
  retries: 2,
  rotations: operation === 'put by hand' ? 1 : 2,
  operation,
}));

/** The same beside two overlapping attempts that live on after their rotation was abandoned. */
const OPERATED_TWO: readonly Scenario[] = OPERATIONS.map((operation) => ({
  name: `${operation}, two attempts`,
  ring: NUMBERED,
  attempts: 2,
  faults: 0,
  retries: 0,
  rotations: operation === 'cancel' ? 2 : 1,
  operation,
}));

/** Operations where the rest of the state is unusual. */
const UNUSUAL: readonly Scenario[] = [
  {
    name: 'rollback by hand while AWSPENDING stays on the new key',
    ring: NUMBERED,
    operation: 'rollback by hand' as const,
    behaviour: { pendingAfterSuccess: 'left' as const },
    rotations: 2,
  },
  {
    name: 'put by hand beside a test run',
    ring: UNNUMBERED,
    operation: 'put by hand' as const,
    testRun: true,
    rotations: 2,
  },
  {
    name: 'put by hand, unlabelled versions kept',
    ring: NUMBERED,
    operation: 'put by hand' as const,
    behaviour: { unlabelledVersions: 'kept' as const },
  },
  { name: 'put by hand into a secret without a value', ring: {}, operation: 'put by hand' as const },
].map((scenario) => ({ rotations: 1, ...scenario, attempts: 1, faults: 0, retries: 0 }));

/** What `npm test` explores, in well under a minute. */
export const SCENARIOS: readonly Scenario[] = [
  ...ONE,
  ...TWO,
  ...OPERATED,
  // A put beside two attempts makes many states: explored deeply.
  ...OPERATED_TWO.filter(({ operation }) => operation !== 'put by hand'),
  ...UNUSUAL,
];

/** Wider bounds, for `npm run explore`: further kills, and a second rotation beside what is left of the first. */
export const DEEP_SCENARIOS: readonly Scenario[] = [
  ...UNUSUAL.map((scenario) => ({ ...scenario, rotations: 2 })),
  ...TWO.map((scenario) => ({ ...scenario, faults: 3 })),
  ...OPERATED.map((scenario) =>
    scenario.operation === 'put by hand'
      ? { ...scenario, retries: 1, rotations: 2 }
      : { ...scenario, faults: 2, rotations: 2 },
  ),
  ...OPERATED_TWO.flatMap((scenario) =>
    (['deleted-at-once', 'kept'] as const).map((unlabelledVersions) => ({
      ...scenario,
      name: `${scenario.name}, unlabelled versions ${unlabelledVersions}`,
      rotations: scenario.operation === 'put by hand' ? 1 : 2,
      behaviour: { unlabelledVersions },
    })),
  ),
];
