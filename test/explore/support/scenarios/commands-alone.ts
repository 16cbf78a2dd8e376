import type { Scenario } from './scenario.ts';
import { FOUR, KEPT, kind, NUMBERED, ROLLED_BACK, THREE, UNNUMBERED, type Own } from './scenario-kinds.ts';

/** A rotation has made its key, and no one runs it any more. */
const UNFINISHED = { ...THREE, P: 'AWSPENDING' };

/** Each command alone, and the states in which it may end. */
const ALONE: readonly Own[] = [
  {
    name: 'put',
    ring: UNNUMBERED,
    operators: [['put P']],
    ends: [{ A: 'key-v1', B: 'key-v2 AWSPREVIOUS', P: 'key-v3 AWSCURRENT' }],
  },
  { name: 'put, the first', ring: {}, operators: [['put P']], ends: [{ P: 'key-v1 AWSCURRENT' }] },
  {
    name: 'put over a placeholder',
    ring: NUMBERED,
    placeholder: true,
    operators: [['put P']],
    ends: [{ A: 'key-v1', B: 'key-v2 AWSPREVIOUS', P: 'key-v3 AWSCURRENT' }],
  },
  {
    name: 'put --not-current',
    ring: UNNUMBERED,
    operators: [['put --not-current Q']],
    ends: [{ A: 'key-v1 AWSPREVIOUS', B: 'key-v2 AWSCURRENT', Q: 'key-v3' }],
  },
  {
    name: 'adopt',
    ring: UNNUMBERED,
    operators: [['adopt']],
    ends: [{ A: 'key-v1 AWSPREVIOUS', B: 'key-v2 AWSCURRENT' }],
  },
  {
    name: 'adopt --version-id',
    ring: { A: '', B: 'AWSPREVIOUS', C: 'AWSCURRENT' },
    behaviour: KEPT,
    operators: [['adopt --version-id A']],
    ends: [{ A: 'key-v3', B: 'key-v1 AWSPREVIOUS', C: 'key-v2 AWSCURRENT', 'pazpaz:rescued:A': '' }],
  },
  {
    name: 'rollback',
    ring: { A: 'AWSPREVIOUS', B: 'AWSCURRENT AWSPENDING' },
    operators: [['rollback']],
    ends: [{ A: 'key-v1 AWSCURRENT', B: 'key-v2 AWSPREVIOUS' }],
  },
  { name: 'rollback --undo', ring: ROLLED_BACK, operators: [['rollback --undo']], ends: [NUMBERED] },
  {
    name: 'rollback and rollback --undo',
    ring: NUMBERED,
    operators: [['rollback', 'rollback --undo']],
    ends: [NUMBERED],
  },
  {
    name: 'retire two keys',
    ring: FOUR,
    behaviour: KEPT,
    operators: [['retire 1 2']],
    ends: [{ ...FOUR, A: '', B: '', 'pazpaz:retired:key-v1': 'A', 'pazpaz:retired:key-v2': 'B' }],
  },
  {
    name: 'retire',
    ring: THREE,
    behaviour: KEPT,
    operators: [['retire 1']],
    ends: [{ ...THREE, A: '', 'pazpaz:retired:key-v1': 'A' }],
  },
  {
    name: 'retire and restore',
    ring: THREE,
    behaviour: KEPT,
    operators: [['retire 1', 'restore 1']],
    ends: [THREE],
  },
  {
    // Killed after it took AWSPENDING off, it finds nothing to do, and no one remembers that the key was never used.
    name: 'rotate --clean-up',
    ring: UNFINISHED,
    operators: [['rotate --clean-up']],
    ends: [{ ...THREE, 'pazpaz:abandoned:P': '' }, THREE],
  },
  {
    name: 'rotate --clean-up of a placeholder',
    ring: NUMBERED,
    placeholder: true,
    operators: [['rotate --clean-up']],
    ends: [{ ...NUMBERED, 'pazpaz:abandoned:rotation-0': '' }, NUMBERED],
  },
  { name: 'rotate', ring: UNNUMBERED, operators: [['rotate']] },
  {
    name: 'maintain',
    ring: FOUR,
    behaviour: KEPT,
    operators: [['maintain']],
    ends: [{ ...FOUR, A: '', B: '', 'pazpaz:retired:key-v1': 'A', 'pazpaz:retired:key-v2': 'B' }],
  },
  {
    name: 'maintain on a ring without numbers',
    ring: UNNUMBERED,
    operators: [['maintain']],
    ends: [{ A: 'key-v1 AWSPREVIOUS', B: 'key-v2 AWSCURRENT' }],
  },
];

/** Killed at any call and run again, and the second run killed as well: the end is always the same. */
export const REPEATED: readonly Scenario[] = kind(
  ', killed and run again',
  { attempts: 0, rotations: 0, faults: 2, retries: 0, repeats: 2 },
  ALONE,
);

/** Retirements that are begun, and not finished by the same command. */
const BROKEN_OFF: readonly Own[] = [
  {
    // A process may still encrypt with key 2, whatever was begun.
    name: 'put, put, retire --force and retire',
    ring: NUMBERED,
    operators: [['put P', 'put R', 'retire --force 2', 'retire 2']],
  },
  {
    // One may still encrypt with key 3, which was not begun with.
    name: 'retire 1, put, put and retire 3',
    ring: THREE,
    operators: [['retire 1', 'put P', 'put R', 'retire 3']],
  },
  {
    name: 'retire, restore and retire',
    ring: THREE,
    operators: [['retire 1', 'restore 1', 'retire 1']],
  },
];

/** What is killed is left as it is, and the next command of the list begins. No rotation mends anything. */
export const LEFT: readonly Scenario[] = kind(
  ', killed and left',
  { attempts: 0, rotations: 0, faults: 1, retries: 0 },
  [...ALONE, ...BROKEN_OFF].map(({ name, ring, placeholder = false, operators = [] }) => ({
    name,
    ring,
    placeholder,
    operators,
    behaviour: KEPT,
  })),
);

const REFUSALS: readonly Own[] = [
  { name: 'retire the current key', ring: THREE, operators: [['retire 3']] },
  { name: 'retire the previous key', ring: THREE, operators: [['retire 2']] },
  {
    name: 'retire the key of the highest number',
    ring: { ...NUMBERED, C: 'key-v3' },
    operators: [['retire 3', 'retire --force 3']],
  },
  { name: 'retire two keys, one of them in use', ring: THREE, operators: [['retire 1 2', 'retire --force 1 2']] },
  { name: 'retire a key that never was', ring: THREE, operators: [['retire --force 4']] },
  { name: 'retire on the day of a change', ring: THREE, changedToday: true, operators: [['retire 1']] },
  { name: 'maintain on the day of a change', ring: THREE, changedToday: true, operators: [['maintain']] },
  { name: 'maintain amid a rotation', ring: UNFINISHED, operators: [['maintain']] },
  { name: 'retire amid a rotation', ring: UNFINISHED, operators: [['retire 1', 'retire --force 1']] },
  { name: 'rollback without a key before', ring: { A: 'key-v1 AWSCURRENT' }, operators: [['rollback']] },
  { name: 'rollback --undo without a rollback', ring: NUMBERED, operators: [['rollback --undo']] },
  { name: 'restore what was not retired', ring: THREE, operators: [['restore 1']] },
  {
    name: 'put and rollback amid a rotation',
    ring: UNFINISHED,
    operators: [['put R', 'put --not-current Q', 'rollback']],
  },
];

/** What a command refuses leaves the secret as it was. */
export const REFUSED: readonly Scenario[] = kind(
  ': refused',
  { attempts: 0, rotations: 0, faults: 0, retries: 0 },
  REFUSALS.map((refusal) => ({ ...refusal, ends: [refusal.ring] })),
);
