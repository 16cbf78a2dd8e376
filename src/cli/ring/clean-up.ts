import type { CommandDependencies } from '../aws/operator.ts';
import { detachLabel } from './labels.ts';
import { requireSeen, settledRing } from './look-again.ts';
import { stateChanged, type DescribedRing } from './ring.ts';
import { abandonedTag, requireTagRoom, tagVersions } from './version-tags.ts';

export interface CleanUpResult {
  readonly versionId?: string;
}

/**
 * Detaches `AWSPENDING` from the version of a cancelled, failed or refused rotation, whose key never encrypted
 * anything. A tag records that, because the version may then have no label. On a full ring it also detaches the
 * `AWSPENDING` that AWS may leave on the current version. Throws `STATE_CHANGED` if the rotation has finished since the
 * question, or another has begun.
 */
export async function runCleanUp(deps: CommandDependencies): Promise<CleanUpResult> {
  const isOver = ({ ring }: DescribedRing): boolean => ring.pending === undefined || ring.pending === ring.current;
  const first = await settledRing(deps, isOver);
  const { pending } = first.ring;
  const isFinished = isOver(first);
  if (pending === undefined || (isFinished && first.ring.freeSlots > 0)) return {};
  await deps.confirm(
    isFinished
      ? {
          action: `Take AWSPENDING off version ${pending}, the current key, whose rotation has finished`,
          risk: 'None: the key stays current and keeps its number.',
        }
      : {
          action: `End the rotation of version ${pending}: take AWSPENDING off it`,
          risk: 'A rotation that is running right now fails at its next call. Nothing is lost by that.',
        },
  );
  const { ring, secret } = await settledRing(deps, isOver);
  if (!isFinished) requireNotFinished(ring.current, pending);
  if (ring.pending === undefined) return {};
  if (ring.pending !== pending) throw stateChanged(`Another rotation has begun, of version ${ring.pending},`);
  if (ring.stages[pending]?.length === 1) {
    await requireTagRoom(deps, secret.Tags, [abandonedTag(pending, deps.now()).Key ?? '']);
  }
  await detachLabel(deps, 'AWSPENDING', pending);

  // No one can promote it from here on: set before that, the tag might say of a key in use that it never was.
  const done = `AWSPENDING was taken off version ${pending}.`;
  const after = await requireSeen(deps, done, (described) => described.ring.pending !== pending);
  if (isFinished) return { versionId: pending };
  requireNotFinished(after.ring.current, pending);
  if ((after.ring.stages[pending] ?? []).length > 0) return { versionId: pending };
  const tag = abandonedTag(pending, deps.now());
  await tagVersions(deps, after.secret.Tags, [tag]);
  await requireSeen(
    deps,
    `${done} A tag says that it was never in use.`,
    ({ ring, secret: { Tags = [] } }) => ring.pending !== pending && Tags.some(({ Key }) => Key === tag.Key),
  );
  return { versionId: pending };
}

function requireNotFinished(current: string | undefined, pending: string): void {
  if (current === pending) throw stateChanged(`Version ${pending} has become current: its rotation has finished`);
}

export function cleanUpLine({ versionId }: CleanUpResult): string {
  return versionId === undefined
    ? 'No rotation is under way or unfinished.'
    : `AWSPENDING is off version ${versionId}: that rotation is over.`;
}
