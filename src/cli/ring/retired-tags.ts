import type { Tag } from '@aws-sdk/client-secrets-manager';
import type { KeyNumber } from '../../format/key-number.ts';
import { retiredKeys, retiredTagKey, type RetiredKey } from '../../format/retired-tag.ts';
import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** Records that are kept. A secret can have 50 tags in all. */
const MAX_RECORDS = 20;

/** The records to remove once `added` exist: those whose version is gone, and the oldest beyond 20. */
export function outdatedRecords(
  tags: readonly Tag[] | undefined,
  existingVersions: ReadonlySet<string>,
  added: readonly KeyNumber[],
): readonly RetiredKey[] {
  const others = retiredKeys(tags).filter(({ number }) => !added.includes(number));
  const gone = others.filter(({ versionId }) => !existingVersions.has(versionId));
  const left = others.filter((record) => !gone.includes(record)).sort((a, b) => (a.date < b.date ? -1 : 1));
  return [...gone, ...left.slice(0, Math.max(0, left.length + added.length - MAX_RECORDS))];
}

/** Removes the records of these keys from the secret, whether they are there or not. */
export async function removeRecords(
  { secrets, secretId }: CommandDependencies,
  numbers: readonly KeyNumber[],
): Promise<void> {
  await secrets.untagResource({ SecretId: secretId, TagKeys: numbers.map(retiredTagKey) }).catch((error: unknown) => {
    throw refused('UntagResource', secretId, error);
  });
}
