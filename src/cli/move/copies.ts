import type { KeyMaterial } from '../../format/key-material.ts';
import { copyVersions, retiredKeys } from '../../format/retired-tag.ts';
import { hasAwsLabel, INCOMING_LABEL } from '../../format/ring-labels.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { readableKey, type DescribedRing } from '../ring/ring.ts';
import { abandonedVersions, copyTags, tagVersions } from '../ring/version-tags.ts';
import { listVersions } from '../ring/versions.ts';

/** The newest first: AWS may keep a hundred versions, and an alarm counts reads. */
const MOST_READS = 10;

/** Tags versions without a number whose key is among `keys`, so that `status` does not ask for their rescue. */
export async function tagCopies(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  keys: readonly KeyMaterial[],
): Promise<void> {
  const known = new Set([...copyVersions(secret.Tags), ...abandonedVersions(secret.Tags)]);
  // A retired key's record says where it is, unless it is on the ring again.
  for (const { number, versionId } of retiredKeys(secret.Tags)) if (!ring.versionOf.has(number)) known.add(versionId);
  const loose = [...(await listVersions(deps))]
    .sort((one, other) => (other.CreatedDate?.getTime() ?? 0) - (one.CreatedDate?.getTime() ?? 0))
    .flatMap(({ VersionId: id }) => (id === undefined || known.has(id) || !isLoose(id) ? [] : [id]));
  const copies: string[] = [];
  for (const versionId of loose.slice(0, MOST_READS)) {
    const key = (await readableKey(deps, versionId))?.key;
    if (key !== undefined && keys.some((one) => one.equals(key))) copies.push(versionId);
  }
  if (copies.length > 0) await tagVersions(deps, secret.Tags, copyTags(copies, deps.now()));

  function isLoose(versionId: string): boolean {
    const labels = ring.stages[versionId] ?? [];
    return !ring.numberOf.has(versionId) && !hasAwsLabel(labels) && !labels.includes(INCOMING_LABEL);
  }
}
