import type { Operation } from '../world.ts';
import type { Scenario } from './scenario.ts';
import {
  FOUR,
  KEPT,
  kind,
  NUMBERED,
  PENDING_LEFT,
  ROLLED_BACK,
  THREE,
  UNNUMBERED,
  type Own,
} from './scenario-kinds.ts';

/** Where an adoption has something to do beside a retirement. */
const ADOPTABLE = { A: 'key-v1', B: 'key-v2 AWSPREVIOUS', C: 'AWSCURRENT' };

/** A rotation that begins at any moment: a command may have looked before. */
const AT_ANY_MOMENT = { attempts: 0 as const, rotations: 1 };

const ONE: readonly Own[] = [
  { name: 'put', ring: NUMBERED, operators: [['put P']] },
  { name: 'put --not-current', ring: NUMBERED, operators: [['put --not-current Q']] },
  { name: 'adopt', ring: UNNUMBERED, operators: [['adopt']] },
  {
    name: 'adopt --version-id',
    ring: { A: '', B: 'key-v1 AWSPREVIOUS', C: 'key-v2 AWSCURRENT' },
    operators: [['adopt --version-id A']],
    behaviour: KEPT,
  },
  { name: 'rollback', ring: NUMBERED, operators: [['rollback']] },
  {
    name: 'rollback, AWSPENDING left on the new key,',
    ring: NUMBERED,
    operators: [['rollback']],
    behaviour: PENDING_LEFT,
    rotations: 2,
  },
  { name: 'rollback --undo', ring: ROLLED_BACK, operators: [['rollback --undo']] },
  { name: 'rotate --clean-up', ring: NUMBERED, operators: [['rotate --clean-up']] },
  { name: 'rotate', ring: NUMBERED, operators: [['rotate']] },
  { name: 'retire', ring: THREE, operators: [['retire 1']], behaviour: KEPT, ...AT_ANY_MOMENT },
  { name: 'retire --force', ring: THREE, operators: [['retire --force 1']], ...AT_ANY_MOMENT },
  { name: 'retire two keys', ring: FOUR, operators: [['retire 1 2']], behaviour: KEPT, ...AT_ANY_MOMENT },
  {
    name: 'retire and restore',
    ring: THREE,
    operators: [['retire --force 1', 'restore 1']],
    behaviour: KEPT,
    ...AT_ANY_MOMENT,
  },
  { name: 'maintain', ring: THREE, operators: [['maintain']], behaviour: KEPT, ...AT_ANY_MOMENT },
  {
    name: 'retire on the next day',
    ring: NUMBERED,
    operators: [['retire 2']],
    behaviour: KEPT,
    ...AT_ANY_MOMENT,
    rotations: 2,
    days: 1,
  },
];

/** Killed, run again and beside a rotation, these have too many states for a short run. */
function isLong({ name }: Own): boolean {
  return ['retire and restore', 'adopt --version-id'].includes(name);
}

/** With more keys to number: too many states for a short run. */
const MANY: readonly Own[] = [
  { name: 'put on a ring without numbers', ring: UNNUMBERED, operators: [['put P']] },
  { name: 'put --not-current on a ring without numbers', ring: UNNUMBERED, operators: [['put --not-current Q']] },
];

const BESIDE_ONE = { attempts: 1, rotations: 1, faults: 1, retries: 1 } as const;

/** A command at any moment beside a rotation, one call killed: what died is left, and `status` says what to do. */
const left = (all: readonly Own[]) =>
  kind(' beside a rotation, killed and left', { ...BESIDE_ONE, behaviour: KEPT }, all);
/** Beside a rotation of which a call may be killed, and which no one tries again: it is left as well. */
const GIVEN_UP = kind(
  ' beside a rotation that no one tries again',
  { attempts: 1, rotations: 1, faults: 1, retries: 0, behaviour: KEPT },
  ONE.filter((own) => (own.rotations ?? 1) === 1 && !isLong(own)),
);
/** Beside a rotation: what died is run again, and what has no label is gone at once. */
const runAgain = (all: readonly Own[]) =>
  kind(' beside a rotation, killed and run again', { ...BESIDE_ONE, repeats: 1 }, all);

const PLACEHOLDER: readonly Own[] = [
  { name: 'put', ring: NUMBERED, operators: [['put P']], behaviour: KEPT },
  { name: 'put --not-current', ring: NUMBERED, operators: [['put --not-current Q']] },
  { name: 'retire', ring: THREE, operators: [['retire 1']], behaviour: KEPT },
  { name: 'rotate --clean-up', ring: NUMBERED, operators: [['rotate --clean-up']], behaviour: KEPT },
  { name: 'rotate', ring: NUMBERED, operators: [['rotate']] },
];

/** A command over a refused rotation, which the next `RotateSecret` takes up again, at any moment. */
const overPlaceholder = (faults: number, rotations: number) =>
  kind(
    ` over a placeholder that the next rotation takes up${faults > 0 ? ', one killed and run again' : ''}`,
    { attempts: 0, placeholder: true, rotations, faults, retries: 1, repeats: faults },
    PLACEHOLDER,
  );

/** Two commands at once. */
function pair(one: Operation, other: Operation, ring: Scenario['ring'], more: Partial<Scenario> = {}): Own {
  const rotated = more.rotations === undefined ? '' : ', and a rotation';
  return { name: `${one} beside ${other}${rotated}`, ring, operators: [[one], [other]], behaviour: KEPT, ...more };
}

/** Few calls: one of them is killed, and the command run again. */
const SHORT_PAIRS: readonly Own[] = [
  pair('retire 1', 'adoption', ADOPTABLE),
  pair('retire 1', 'adopt', ADOPTABLE),
  pair('retire 1', 'adopt --version-id A', ADOPTABLE),
  pair('retire 1', 'restore 1', THREE),
  pair('retire 1', 'retire 1', THREE),
  pair('retire 1', 'retire 2', FOUR),
  pair('maintain', 'maintain', THREE),
  pair('maintain', 'retire 1', FOUR),
  pair('maintain', 'restore 1', THREE),
  pair('maintain', 'adoption', ADOPTABLE),
  pair('rollback', 'rollback --undo', NUMBERED),
  pair('retire --force 1', 'rollback', ADOPTABLE),
  pair('retire 1', 'put P', THREE),
  pair('retire --force 1', 'put --not-current Q', THREE),
  pair('retire --force 1', 'put --not-current A', THREE),
  pair('put P', 'rollback', NUMBERED),
  pair('put P', 'rotate --clean-up', NUMBERED, { placeholder: true }),
];

/** Many calls. */
const LONG_PAIRS: readonly Own[] = [
  pair('put P', 'put --not-current Q', NUMBERED),
  pair('put P', 'put --not-current P', NUMBERED),
  pair('put P', 'put P', NUMBERED),
  pair('put P', 'put R', NUMBERED),
  pair('put P', 'adopt', UNNUMBERED),
  pair('put --not-current Q', 'adopt', UNNUMBERED),
  pair('put --not-current Q', 'rollback', UNNUMBERED),
  pair('rollback', 'rollback', UNNUMBERED),
  pair('rotate', 'put P', NUMBERED),
  pair('rotate', 'put --not-current Q', NUMBERED),
  pair('rotate', 'rotate --clean-up', NUMBERED, { placeholder: true }),
];

/**
 * No call of these is killed: the second takes `key-incoming` from the version of the first, which must then still number
 * it. docs/operate.md puts the rest outside the promise.
 */
const TWO_INCOMING: readonly Own[] = [
  pair('put --not-current Q', 'put --not-current Q', NUMBERED),
  pair('put --not-current Q', 'put --not-current R', NUMBERED),
];

/** A step of a rotation, an adoption and a command, each of which may have looked before the others wrote. */
const WITH_ROTATION: readonly Own[] = [
  pair('retire --force 1', 'adoption', ADOPTABLE, { rotations: 1 }),
  pair('retire --force 1', 'rollback', THREE, { rotations: 1 }),
  pair('put P', 'adoption', NUMBERED, { rotations: 1 }),
];

const ALONE = { attempts: 0, rotations: 0, retries: 1 } as const;

/** What `npm test` explores. */
export const BESIDE: readonly Scenario[] = [
  ...left(ONE),
  ...GIVEN_UP,
  ...runAgain(ONE.filter((own) => !isLong(own))),
  ...overPlaceholder(0, 1),
  ...kind(', one killed and run again', { ...ALONE, faults: 1, repeats: 1 }, SHORT_PAIRS),
  ...kind('', { ...ALONE, faults: 0 }, [...LONG_PAIRS, ...TWO_INCOMING]),
];

/** Wider bounds, for `npm run explore`. */
export const DEEP_BESIDE: readonly Scenario[] = [
  ...left(MANY),
  ...runAgain([...MANY, ...ONE.filter(isLong)]),
  ...overPlaceholder(1, 1),
  ...overPlaceholder(0, 2),
  ...kind(', two killed and run again', { ...ALONE, faults: 2, repeats: 2 }, SHORT_PAIRS),
  ...kind(
    ', one killed and run again',
    { ...ALONE, faults: 1, repeats: 1 },
    // Beside a rotation that it began itself: minutes, and explored without a kill as well.
    LONG_PAIRS.filter(({ name }) => !name.startsWith('rotate beside put')),
  ),
  ...kind('', { ...ALONE, faults: 0 }, WITH_ROTATION),
];
