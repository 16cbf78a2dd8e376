import { KeyRotationError } from '../../format/error.ts';
import { RETRY_PAUSES, TIME_RESERVE } from '../../secret/read-key.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { describedRing, LONGEST_DELAY, type DescribedRing } from './ring.ts';

/** A description right after a write may be older than the write. `undefined` if none shows it within six seconds. */
export async function lookUntil(
  deps: CommandDependencies,
  isShown: (described: DescribedRing) => boolean,
): Promise<DescribedRing | undefined> {
  for (const pause of [...RETRY_PAUSES, 0]) {
    const described = await describedRing(deps);
    if (isShown(described)) return described;
    if (deps.remainingTime() < pause + TIME_RESERVE) break;
    await deps.sleep(pause);
  }
  return undefined;
}

/** Throws `NOT_SEEN_YET` if it is not shown in time. `done`: one sentence. */
export async function requireSeen(
  deps: CommandDependencies,
  done: string,
  isShown: (described: DescribedRing) => boolean,
): Promise<DescribedRing> {
  const shown = await lookUntil(deps, isShown);
  if (shown !== undefined) return shown;
  throw new KeyRotationError(
    'NOT_SEEN_YET',
    `${done} AWS accepted that, but does not show it after ${LONGEST_DELAY / 1000} s: its answer is late, or ` +
      'another process has changed it. Nothing was lost. Check again in a minute: pazpaz-keys status.',
  );
}

/**
 * If a description shows that nothing is left to do, it may be a few writes old: a second one, six seconds later,
 * decides.
 */
export async function settledRing(
  deps: CommandDependencies,
  isDone: (described: DescribedRing) => boolean | Promise<boolean>,
): Promise<DescribedRing> {
  const described = await describedRing(deps);
  if (!(await isDone(described))) return described;
  await deps.sleep(LONGEST_DELAY);
  return describedRing(deps);
}
