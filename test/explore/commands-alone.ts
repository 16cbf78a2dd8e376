import type { Scenario } from './scenario.ts';
import { KEPT, kind, NUMBERED, THREE, UNNUMBERED, type Own } from './scenario-kinds.ts';

/** A rotation has made its key, and nobody runs it any more. */
const UNFINISHED = { ...THREE, P: 'AWSPENDING' };

/** Each command alone, killed at any call and run again, and the second run killed as well: the end is always the same. */
export const REPEATED: readonly Scenario[] = kind(
  ', killed and run again',
  { attempts: 0, rotations: 0, faults: 2, retries: 0, repeats: 2 },
  [
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
      // Killed after it took AWSPENDING off, it finds nothing to do, and nobody remembers that the key was never used.
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
  ],
);

const REFUSALS: readonly Own[] = [
  { name: 'retire the current key', ring: THREE, operators: [['retire 3']] },
  { name: 'retire the previous key', ring: THREE, operators: [['retire 2']] },
  {
    name: 'retire the key of the highest number',
    ring: { ...NUMBERED, C: 'key-v3' },
    operators: [['retire 3', 'retire --force 3']],
  },
  { name: 'retire a key that never was', ring: THREE, operators: [['retire --force 4']] },
  { name: 'retire on the day of a change', ring: THREE, changedToday: true, operators: [['retire 1']] },
  { name: 'retire amid a rotation', ring: UNFINISHED, operators: [['retire 1', 'retire --force 1']] },
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
