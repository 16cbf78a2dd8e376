import { LEFT, REFUSED, REPEATED } from './commands-alone.ts';
import { BESIDE, DEEP_BESIDE } from './commands-beside.ts';
import { DEEP_MOVES_AND_BACKUPS, MOVES_AND_BACKUPS, STALE_MOVES_AND_BACKUPS } from './moves-and-backups.ts';
import { DEEP_PENDING_LEFT, PENDING_LEFT } from './pending-left.ts';
import { DEEP_ROTATION_SCENARIOS, ROTATION_SCENARIOS } from './rotation-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { STALE_SCENARIOS } from './stale-scenarios.ts';

const ALL: readonly Scenario[] = [
  ...ROTATION_SCENARIOS,
  ...REPEATED,
  ...LEFT,
  ...REFUSED,
  ...BESIDE,
  ...MOVES_AND_BACKUPS,
  ...PENDING_LEFT,
];

/** Most of all states for one in five scenarios, of which there are smaller ones with the same commands. */
const LARGE: ReadonlySet<string> = new Set([
  'rotate beside put P',
  'rollback by hand, two attempts',
  'retire --force 1 beside put --not-current Q, one killed and run again',
  'put P beside put --not-current Q',
  'put P beside put --not-current P',
  'retire and restore beside a rotation, killed and left',
  'put --not-current Q beside rollback',
  'put --not-current Q beside put --not-current R',
  'maintain beside a rotation, killed and run again',
  'adopt --version-id beside a rotation, killed and left',
  'retire 1 beside put P, one killed and run again',
  'rotate beside put --not-current Q',
  'put in a rotation, told of the past',
  'retire and put --not-current of its key, told of the past',
  'a full ring, AWSPENDING on none, move killed and left',
  'maintain beside a rotation, killed and left',
  'put, put and the first again, told of the past',
  'put and retire, told of the past',
  'put beside a rotation, killed and left',
  'put P beside put R',
  'put --not-current Q beside adopt',
  'put --not-current beside a rotation, killed and left',
  'two attempts on two keys that never had a number, told of the past',
  'put P beside adopt',
  'put P beside put P',
  'restore-ring ABC beside put --not-current B',
  'retire two keys beside a rotation, killed and run again',
  'rollback beside rollback',
  'retire --force beside a rotation, killed and left',
  'retire --force in a rotation, told of the past',
  'two attempts on a numbered ring, told of the past',
  'adopt beside a rotation, killed and left',
  'cancel, two attempts',
  'rollback, two attempts',
  'two attempts on two keys that never had a number',
  'put beside a rotation, killed and run again',
  'adopt beside a rotation, killed and run again',
  'retire --force beside a rotation, killed and run again',
  'put P beside rollback, one killed and run again',
  'maintain beside restore 1, one killed and run again',
  'maintain beside maintain, one killed and run again',
  'restore-ring ABC beside put P',
  'move --kms-key-id K beside backup',
  'backup beside a rotation',
  'rotate twice, told of the past',
  'move beside a rotation',
  'put --not-current beside a rotation, killed and run again',
  'rollback by hand, one attempt',
  'maintain beside retire 1, one killed and run again',
  'rotate beside a rotation, killed and run again',
  'rollback, AWSPENDING left on the new key, beside a rotation, killed and left',
  'retire two keys beside a rotation, killed and left',
  'backup beside put --not-current Q',
  'put P beside rotate --clean-up, one killed and run again',
  'move --kms-key-id K beside retire --force 1',
  'adopt after a put by hand, told of the past',
  'put --not-current Q beside put --not-current Q',
  'retire, restore and retire, told of the past',
  'adopt after a put by hand, whose adoption may be killed, told of the past',
  'put by hand in a rotation, told of the past',
]);

/** What `npm test` explores, in well under a minute. */
export const SCENARIOS = ALL.filter(({ name }) => !LARGE.has(name));
const ALL_STALE = [...STALE_SCENARIOS, ...STALE_MOVES_AND_BACKUPS];
export const OLD_ANSWERS = ALL_STALE.filter(({ name }) => !LARGE.has(name));

/** Many states, and wider bounds, for `npm run explore`: some minutes. */
export const DEEP_SCENARIOS: readonly Scenario[] = [
  ...ALL.filter(({ name }) => LARGE.has(name)),
  ...DEEP_ROTATION_SCENARIOS,
  ...DEEP_BESIDE,
  ...DEEP_MOVES_AND_BACKUPS,
  ...DEEP_PENDING_LEFT,
];
export const DEEP_OLD_ANSWERS = ALL_STALE.filter(({ name }) => LARGE.has(name));
