import type { CommandDependencies } from '../aws/operator.ts';
import { detachLabel } from './labels.ts';
import { settledRing } from './look-again.ts';
import { describedRing, stateChanged, type DescribedRing } from './ring.ts';
import { abandonedTag, tagVersion } from './version-tags.ts';

export interface CleanUpResult {
  /** The version that lost `AWSPENDING`; absent if there was nothing to clean up. */
  readonly versionId?: string;
}

/**
 * Detaches `AWSPENDING` from the version of a cancelled, failed or refused rotation. Its key, if it has one, never
 * encrypted anything. A tag records that, because the version may then have no label. Throws `STATE_CHANGED` if the
 * rotation has finished since the question, or another has begun.
 */
export async function runCleanUp(deps: CommandDependencies): Promise<CleanUpResult> {
  const isOver = ({ ring }: DescribedRing): boolean => ring.pending === undefined || ring.pending === ring.current;
  const first = await settledRing(deps, isOver);
  const { pending } = first.ring;
  if (pending === undefined || isOver(first)) return {};
  await deps.confirm({
    action: `End the rotation of version ${pending}: take AWSPENDING off it`,
    risk: 'A rotation that is running right now fails at its next call. Nothing is lost by that.',
  });
  const { ring } = await settledRing(deps, isOver);
  requireNotFinished(ring.current, pending);
  if (ring.pending === undefined) return {};
  if (ring.pending !== pending) throw stateChanged(`Another rotation has begun, of version ${ring.pending},`);
  await detachLabel(deps, 'AWSPENDING', pending);

  // Only now can it no longer be promoted. An earlier tag might call a key in use 'never used'.
  const after = await describedRing(deps);
  requireNotFinished(after.ring.current, pending);
  if (hasNoLabel(after, pending)) await tagVersion(deps, after.secret.Tags, abandonedTag(pending, deps.now()));
  return { versionId: pending };
}

function requireNotFinished(current: string | undefined, pending: string): void {
  if (current === pending) throw stateChanged(`Version ${pending} has become current: its rotation has finished`);
}

/** A late description may still show `AWSPENDING`, which was just detached. */
function hasNoLabel({ ring }: DescribedRing, versionId: string): boolean {
  return (ring.stages[versionId] ?? []).every((label) => label === 'AWSPENDING');
}

/** One sentence for the screen. */
export function cleanUpLine({ versionId }: CleanUpResult): string {
  return versionId === undefined
    ? 'No rotation is under way or unfinished.'
    : `AWSPENDING is off version ${versionId}: that rotation is over.`;
}
