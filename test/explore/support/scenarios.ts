import { LEFT, REFUSED, REPEATED } from './commands-alone.ts';
import { BESIDE, DEEP_BESIDE } from './commands-beside.ts';
import { DEEP_ROTATION_SCENARIOS, ROTATION_SCENARIOS } from './rotation-scenarios.ts';
import type { Scenario } from './scenario.ts';

const ALL: readonly Scenario[] = [...ROTATION_SCENARIOS, ...REPEATED, ...LEFT, ...REFUSED, ...BESIDE];

/** A third of all states for one in twenty scenarios, of which there are smaller ones with the same commands. */
const LARGE: ReadonlySet<string> = new Set([
  'rotate beside put P',
  'rollback by hand, two attempts',
  'retire --force 1 beside put --not-current Q, one killed and run again',
  'put P beside put --not-current Q',
  'put P beside put --not-current P',
  'retire and restore beside a rotation, killed and left',
  'put --not-current Q beside rollback',
  'put --not-current Q beside put --not-current R',
]);

/** What `npm test` explores, in well under a minute. */
export const SCENARIOS = ALL.filter(({ name }) => !LARGE.has(name));

/** Many states, and wider bounds, for `npm run explore`: some minutes. */
export const DEEP_SCENARIOS: readonly Scenario[] = [
  ...ALL.filter(({ name }) => LARGE.has(name)),
  ...DEEP_ROTATION_SCENARIOS,
  ...DEEP_BESIDE,
];
