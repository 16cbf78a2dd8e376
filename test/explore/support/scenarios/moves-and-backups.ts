import type { Scenario } from './scenario.ts';
import { FOUR, KEPT, kind, NUMBERED, THREE, type Own } from './scenario-kinds.ts';
import type { Operation } from '../world.ts';

/** Keys 1 and 3 are on the ring; the number of key 2 was lost. */
const LACKING = { A: 'key-v1', C: 'key-v3 AWSCURRENT' };
/** Two keys in use have no number yet. */
const HALF_NUMBERED = { A: 'key-v1', B: 'AWSPREVIOUS', C: 'AWSCURRENT' };

const MOVE = 'move --kms-key-id K';
const MOVE_ELSEWHERE = 'move --kms-key-id L';
const BRING = 'restore-ring ABC';
const BRING_RETIRED = 'restore-ring --retired ABC';

/** One operator, one command after the other. */
const ALONE: readonly Own[] = [
  { name: 'move', ring: THREE, operators: [[MOVE]] },
  { name: 'move of two keys', ring: FOUR, operators: [[MOVE]] },
  { name: 'move on a ring without numbers', ring: HALF_NUMBERED, operators: [[MOVE]] },
  { name: 'move and back', ring: THREE, operators: [[MOVE, MOVE_ELSEWHERE, MOVE]] },
  { name: 'move, retire and restore', ring: THREE, operators: [[MOVE, 'retire --force 1', 'restore 1']] },
  { name: 'retire, move and restore', ring: THREE, operators: [['retire 1', MOVE, 'restore 1']] },
  { name: 'restore-ring', ring: LACKING, operators: [[BRING]] },
  { name: 'restore-ring into an empty secret', ring: {}, operators: [[BRING]] },
  { name: 'restore-ring and move', ring: LACKING, operators: [[BRING, MOVE]] },
  {
    name: 'retire, restore-ring and restore-ring --retired',
    ring: THREE,
    operators: [['retire 1', BRING, BRING_RETIRED]],
  },
  { name: 'backup', ring: HALF_NUMBERED, operators: [['backup']] },
  { name: 'backup and move', ring: THREE, operators: [['backup', MOVE, 'backup']] },
];

/** A rotation that begins at any moment beside a command. */
const ROTATED: readonly Own[] = [
  { name: 'move', ring: THREE, operators: [[MOVE]] },
  { name: 'restore-ring', ring: LACKING, operators: [[BRING]] },
  { name: 'backup', ring: NUMBERED, operators: [['backup']] },
];

function pair(one: Operation, other: Operation, ring: Scenario['ring']): Own {
  return { name: `${one} beside ${other}`, ring, operators: [[one], [other]], behaviour: KEPT };
}

const PAIRS: readonly Own[] = [
  pair(MOVE, 'retire 1', THREE),
  pair(MOVE, 'retire --force 1', THREE),
  pair(MOVE, 'put --not-current A', THREE),
  pair(MOVE, 'rollback', THREE),
  pair(MOVE, 'backup', THREE),
  {
    name: 'move and retire beside adoption',
    ring: { A: 'key-v1', C: 'AWSCURRENT' },
    operators: [[MOVE, 'retire --force 1'], ['adoption']],
    behaviour: KEPT,
  },
  pair(BRING, 'put P', LACKING),
  pair(BRING, 'put --not-current B', LACKING),
  pair(BRING, BRING, LACKING),
  pair(BRING, 'retire 1', LACKING),
  pair('backup', 'put P', NUMBERED),
  pair('backup', 'put --not-current Q', NUMBERED),
];

/** Many calls each: up to some million states. */
const LONG_PAIRS: readonly Own[] = [
  pair(MOVE, MOVE, THREE),
  pair(MOVE, MOVE_ELSEWHERE, THREE),
  pair(MOVE, 'maintain', THREE),
  pair(MOVE, 'put P', THREE),
  pair(MOVE, 'adoption', HALF_NUMBERED),
  pair(MOVE, BRING, LACKING),
];

const EMPTY: Own = {
  name: 'restore-ring into an empty secret beside adoption',
  ring: {},
  operators: [[BRING], ['adoption']],
  ends: [{ A: 'key-v1', B: 'key-v2', C: 'key-v3 AWSCURRENT' }],
};

/** A rotation has made its key, and no one runs it any more. */
const UNFINISHED = { A: 'key-v1', C: 'key-v3 AWSCURRENT', P: 'AWSPENDING' };

const REFUSED: readonly Own[] = [
  { name: 'move amid a rotation', ring: UNFINISHED, operators: [[MOVE]] },
  { name: 'restore-ring amid a rotation', ring: UNFINISHED, operators: [[BRING]] },
];

const AT_ONCE = { attempts: 0, rotations: 0, faults: 0, retries: 1 } as const;
const ROTATES = { ...AT_ONCE, rotations: 1 } as const;

export const MOVES_AND_BACKUPS: readonly Scenario[] = [
  ...kind(', killed and run again', { ...AT_ONCE, faults: 1, repeats: 1 }, ALONE),
  ...kind(', killed and left', { ...AT_ONCE, faults: 1, behaviour: KEPT }, ALONE),
  ...kind(' beside a rotation', { ...ROTATES, behaviour: KEPT }, ROTATED),
  ...kind('', AT_ONCE, [...PAIRS, EMPTY]),
  ...kind(
    ': refused',
    AT_ONCE,
    REFUSED.map((own) => ({ ...own, ends: [own.ring] })),
  ),
];

const told = (words: string, answers: number): readonly Scenario[] =>
  kind(`, told of the past${words}`, { ...AT_ONCE, behaviour: KEPT, stale: { answers, writesOld: 3 } }, ALONE);

export const STALE_MOVES_AND_BACKUPS = told('', 1);

/** Wider bounds, for `npm run explore`: minutes. */
export const DEEP_MOVES_AND_BACKUPS: readonly Scenario[] = [
  ...kind(', two killed and run again', { ...AT_ONCE, faults: 2, repeats: 2 }, ALONE),
  ...kind(' beside a rotation, killed and run again', { ...ROTATES, faults: 1, repeats: 1, behaviour: KEPT }, ROTATED),
  ...told(' twice', 2),
  ...kind('', AT_ONCE, LONG_PAIRS),
  ...kind(', one killed and run again', { ...AT_ONCE, faults: 1, repeats: 1 }, PAIRS),
];
