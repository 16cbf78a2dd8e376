import type { Scenario } from './scenario.ts';

/** What scenarios of one kind have in common. */
export type Bounds = Pick<Scenario, 'attempts' | 'faults' | 'retries' | 'rotations'> & Partial<Scenario>;

/** What a scenario has of its own. */
export type Own = Pick<Scenario, 'name' | 'ring'> & Partial<Scenario>;

/** Scenarios of one kind; what a scenario has of its own comes first, and `words` end its name. */
export function kind(words: string, bounds: Bounds, all: readonly Own[]): readonly Scenario[] {
  return all.map((own) => ({ ...bounds, ...own, name: `${own.name}${words}` }));
}

export const UNNUMBERED_ONE = { A: 'AWSCURRENT' };
export const UNNUMBERED = { A: 'AWSPREVIOUS', B: 'AWSCURRENT' };
export const NUMBERED = { A: 'key-v1 AWSPREVIOUS', B: 'key-v2 AWSCURRENT' };
/** Key 1 has none of AWS's labels: it can be retired. */
export const THREE = { A: 'key-v1', B: 'key-v2 AWSPREVIOUS', C: 'key-v3 AWSCURRENT' };
/** Keys 1 and 2 can. */
export const FOUR = { A: 'key-v1', B: 'key-v2', C: 'key-v3 AWSPREVIOUS', D: 'key-v4 AWSCURRENT' };
/** Key 2 was current, and `rollback` has left it. */
export const ROLLED_BACK = { A: 'key-v1 AWSCURRENT', B: 'key-v2 AWSPREVIOUS' };

export const KEPT = { unlabelledVersions: 'kept' as const };
export const PENDING_LEFT = { pendingAfterSuccess: 'left' as const };
