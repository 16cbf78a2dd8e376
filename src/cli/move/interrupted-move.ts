import type { KeyMaterial } from '../../format/key-material.ts';
import { retiredKeys } from '../../format/retired-tag.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { detachLabel, holderOf, MOVING_LABEL, withoutLabels } from '../ring/labels.ts';
import { retiredNumbers } from '../ring/retired-tags.ts';
import { readableKey, versionOfKey, type DescribedRing } from '../ring/ring.ts';
import { abandonedTag, tagVersions } from '../ring/version-tags.ts';
import { tagCopies } from './copies.ts';
import { isDerived } from './derived-version.ts';

type Secret = DescribedRing['secret'];

export function movingVersion({ stages }: RingLabels): string | undefined {
  return holderOf(stages, MOVING_LABEL);
}

/** An interrupted move may have moved a number without tagging its former version. */
export async function tagFormer(deps: CommandDependencies, secret: Secret, ring: RingLabels): Promise<void> {
  const versionId = movingVersion(ring);
  if (versionId === undefined || !ring.numberOf.has(versionId)) return;
  const stored = await readableKey(deps, versionId);
  if (stored !== undefined) await tagCopies(deps, { secret, ring }, [stored.key]);
}

/**
 * Detaches the label of an interrupted move. Without a number its version is a copy, or was retired since, and then its
 * former version is one. If the key left the ring from its former version, this one was never in use.
 */
export async function finishMove(deps: CommandDependencies, change: RingChange, secret: Secret): Promise<RingChange> {
  const versionId = movingVersion(change.ring);
  if (versionId === undefined) return change;
  const key = change.ring.numberOf.has(versionId) ? undefined : (await readableKey(deps, versionId))?.key;
  if (key !== undefined) {
    const isRetired = retiredKeys(secret.Tags).some((record) => record.versionId === versionId);
    if (isRetired || (await hasNumber(deps, change.ring, key)))
      await tagCopies(deps, { secret, ring: change.ring }, [key]);
    else if ([...retiredNumbers(secret.Tags)].some((number) => isDerived(versionId, key, number)))
      await tagVersions(deps, secret.Tags, [abandonedTag(versionId, deps.now())]);
  }
  await detachLabel(deps, MOVING_LABEL, versionId);
  return { ring: withoutLabels(change.ring, [MOVING_LABEL]), wrote: true };
}

async function hasNumber(deps: CommandDependencies, ring: RingLabels, key: KeyMaterial): Promise<boolean> {
  const holder = await versionOfKey(deps, ring, key);
  return holder !== undefined && ring.numberOf.has(holder);
}
