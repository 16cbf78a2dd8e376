import { DescribeKeyCommand } from '@aws-sdk/client-kms';
import { isFault } from '../../secret/aws-error.ts';
import type { KmsKeyState } from '../doctor/examination.ts';
import { kmsClient } from './kms-client.ts';

/** "Key states of AWS KMS keys". */
export function kmsKeyStateOf(
  options: { readonly profile?: string },
  region: string | undefined,
): (keyId: string) => Promise<KmsKeyState> {
  const client = kmsClient(options, region);
  return async (keyId) => {
    try {
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: keyId }));
      return KeyMetadata?.KeyState === undefined
        ? { unknown: 'no state in the answer' }
        : { state: KeyMetadata.KeyState };
    } catch (error) {
      return {
        unknown: error instanceof Error ? `${error.name} for ${keyId}` : 'no answer',
        ...(isFault(error) ? { isFault: true } : {}),
      };
    }
  };
}
