import { LEFT, REFUSED, REPEATED } from './commands-alone.ts';
import { BESIDE, DEEP_BESIDE } from './commands-beside.ts';
import { DEEP_ROTATION_SCENARIOS, ROTATION_SCENARIOS } from './rotation-scenarios.ts';
import type { Scenario } from './scenario.ts';

/** What `npm test` explores, in well under a minute. */
export const SCENARIOS: readonly Scenario[] = [...ROTATION_SCENARIOS, ...REPEATED, ...LEFT, ...REFUSED, ...BESIDE];

/** Wider bounds, for `npm run explore`: some minutes. */
export const DEEP_SCENARIOS: readonly Scenario[] = [...DEEP_ROTATION_SCENARIOS, ...DEEP_BESIDE];
