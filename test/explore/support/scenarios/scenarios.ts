import { LEFT, REFUSED, REPEATED } from './commands-alone.ts';
import { BESIDE, DEEP_BESIDE } from './commands-beside.ts';
import { LARGE } from './large-scenarios.ts';
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

const ALL_STALE = [...STALE_SCENARIOS, ...STALE_MOVES_AND_BACKUPS];
const isLarge = ({ name }: Scenario): boolean => LARGE.has(name);
const isSmall = ({ name }: Scenario): boolean => !LARGE.has(name);

/** What `npm test` explores. */
export const SCENARIOS = ALL.filter(isSmall);
export const OLD_ANSWERS = ALL_STALE.filter(isSmall);

/** What `npm run test:wide` explores. */
export const LARGE_SCENARIOS = ALL.filter(isLarge);
export const LARGE_OLD_ANSWERS = ALL_STALE.filter(isLarge);

/** With wider bounds, too: what `npm run explore` explores. */
export const DEEP_SCENARIOS: readonly Scenario[] = [
  ...LARGE_SCENARIOS,
  ...DEEP_ROTATION_SCENARIOS,
  ...DEEP_BESIDE,
  ...DEEP_MOVES_AND_BACKUPS,
  ...DEEP_PENDING_LEFT,
];
