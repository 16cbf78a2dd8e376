import { isKeyRotationError, KeyRotationError } from '../../format/error.ts';
import { toKeyNumber, type KeyNumber } from '../../format/key-number.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import { unreadable } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { retiredNumbers } from '../ring/retired-tags.ts';
import type { DescribedRing } from '../ring/ring.ts';
import { backedUpKey, type BackedUpKey, type RingBackup } from './ring-backup.ts';

/** Throws `RING_KEY_UNREADABLE` for a key that cannot be read: a backup without it would hide its loss. */
export async function readRing(deps: CommandDependencies, { secret, ring }: DescribedRing): Promise<RingBackup> {
  const keys: BackedUpKey[] = [];
  for (const [versionId, numbers] of numbersByVersion(ring)) {
    keys.push(await keyOf(deps, versionId, numbers, versionId === ring.current));
  }
  const retired = [...retiredNumbers(secret.Tags)].map(toKeyNumber).filter((number) => !ring.versionOf.has(number));
  return { secret: secret.ARN ?? deps.secretId, madeAt: deps.now().toISOString(), keys, retired };
}

/** Throws `RING_KEY_UNREADABLE`. */
export async function keyOf(
  { secrets, secretId }: CommandDependencies,
  versionId: string,
  numbers: readonly KeyNumber[],
  isCurrent: boolean,
): Promise<BackedUpKey> {
  try {
    const value = await secrets.getSecretValue({ SecretId: secretId, VersionId: versionId }).catch((error: unknown) => {
      throw unreadable(`Version ${versionId}`, error, 'Give the caller access to the secret and to its KMS key.');
    });
    return backedUpKey(numbers, isCurrent, value);
  } catch (error) {
    if (!isKeyRotationError(error) || error.code === 'CANNOT_REACH_AWS') throw error;
    throw new KeyRotationError(
      'RING_KEY_UNREADABLE',
      `Key ${numbers.join(', ')} of the ring (version ${versionId}) cannot be read. ${error.message}`,
      { cause: error },
    );
  }
}

/** Ordered by the lowest. */
export function numbersByVersion({ versionOf }: RingLabels): ReadonlyMap<string, readonly KeyNumber[]> {
  const byVersion = new Map<string, KeyNumber[]>();
  for (const [number, versionId] of [...versionOf].sort(([one], [other]) => one - other)) {
    byVersion.set(versionId, [...(byVersion.get(versionId) ?? []), number]);
  }
  return byVersion;
}
