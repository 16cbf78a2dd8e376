import type { Tag } from '@aws-sdk/client-secrets-manager';
import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** Sets tags of the secret. Throws `AWS_REFUSED` or `CANNOT_REACH_AWS`. */
export async function setTags({ secrets, secretId }: CommandDependencies, tags: readonly Tag[]): Promise<void> {
  await secrets.tagResource({ SecretId: secretId, Tags: [...tags] }).catch((error: unknown) => {
    throw refused('TagResource', secretId, error);
  });
}

/** Removes tags of the secret, whether they are there or not. Throws as `setTags`. */
export async function removeTags({ secrets, secretId }: CommandDependencies, keys: readonly string[]): Promise<void> {
  await secrets.untagResource({ SecretId: secretId, TagKeys: [...keys] }).catch((error: unknown) => {
    throw refused('UntagResource', secretId, error);
  });
}
