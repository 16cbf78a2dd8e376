import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { isFault } from '../../secret/aws-error.ts';
import type { KmsKeyState } from '../doctor/examination.ts';
import { limited, REQUEST_LIMITS } from './call-limits.ts';

/** Asks KMS for the state of a key ("Key states of AWS KMS keys"), with the credentials of the command. */
export function kmsKeyStateOf(
  options: { readonly profile?: string },
  region: string | undefined,
): (keyId: string) => Promise<KmsKeyState> {
  const client = limited(
    new KMSClient({
      maxAttempts: 2,
      requestHandler: REQUEST_LIMITS,
      ...(region === undefined ? {} : { region }),
      ...(options.profile === undefined ? {} : { profile: options.profile }),
    }),
  );
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
