import type { Tag } from '@aws-sdk/client-secrets-manager';
import { KeyRotationError } from '../../format/error.ts';
import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** Throws `AWS_REFUSED` or `CANNOT_REACH_AWS`. */
export async function setTags({ secrets, secretId }: CommandDependencies, tags: readonly Tag[]): Promise<void> {
  await secrets.tagResource({ SecretId: secretId, Tags: [...tags] }).catch((error: unknown) => {
    throw refused('TagResource', secretId, error);
  });
}

/** Whether they are there or not. Throws as `setTags`. */
export async function removeTags({ secrets, secretId }: CommandDependencies, keys: readonly string[]): Promise<void> {
  await secrets.untagResource({ SecretId: secretId, TagKeys: [...keys] }).catch((error: unknown) => {
    throw refused('UntagResource', secretId, error);
  });
}

/** 'Tags per secret'. Those of AWS itself (`aws:`) do not count. */
const MAX_TAGS = 50;

/** Throws `TOO_MANY_TAGS` if tags with these names do not fit beside the others. */
export function requireRoom(tags: readonly Tag[], added: readonly string[]): void {
  const names = tags.flatMap(({ Key = '' }) => (Key.toLowerCase().startsWith('aws:') ? [] : [Key]));
  const excess = new Set([...names, ...added]).size - MAX_TAGS;
  if (excess <= 0) return;
  throw new KeyRotationError(
    'TOO_MANY_TAGS',
    `AWS allows ${MAX_TAGS} tags a secret, and this one has ${names.length} (those that begin with aws: do not count). This ` +
      `command sets up to ${added.length} more. Remove ${excess} that nothing needs, then try again. Nothing was changed.`,
  );
}
