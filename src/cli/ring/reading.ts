import { isKeyRotationError } from '../../format/error.ts';
import type { KeyMaterial } from '../../format/key-material.ts';
import { readKeyValue } from '../../format/key-value.ts';
import { awsErrorName, describeError, isAboutKms, isTemporary } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

export type Reading =
  | { readonly kind: 'key'; readonly key: KeyMaterial }
  | { readonly kind: 'no key'; readonly reason: string }
  | { readonly kind: 'no value' }
  /** `isKms`: the KMS key is the problem. `isDenied`: a permission is missing. `isTemporary`: it passes by itself. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly isKms: boolean;
      readonly isDenied: boolean;
      readonly isTemporary: boolean;
    };

/** Once per version. Rejects only with `CANNOT_REACH_AWS`. */
export async function readingOf(deps: CommandDependencies, versionId: string): Promise<Reading> {
  try {
    const value = await deps.secrets.getSecretValue({ SecretId: deps.secretId, VersionId: versionId });
    return { kind: 'key', key: readKeyValue(value).key };
  } catch (error) {
    if (isKeyRotationError(error, 'INVALID_KEY_VALUE')) return { kind: 'no key', reason: error.message };
    if (isKeyRotationError(error)) throw error;
    if (awsErrorName(error) === 'ResourceNotFoundException') return { kind: 'no value' };
    return {
      kind: 'refused',
      reason: describeError(error),
      isKms: isAboutKms(error),
      isDenied: awsErrorName(error) === 'AccessDeniedException',
      isTemporary: isTemporary(error),
    };
  }
}
