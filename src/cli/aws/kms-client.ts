import { KMSClient } from '@aws-sdk/client-kms';
import { failureName, isAnswer, KeyRotationError, withoutFullStop } from '../../format/error.ts';
import { wrongUsage } from '../command.ts';
import { describeError } from '../../secret/aws-error.ts';
import { limited } from './call-limits.ts';
import { clientSettings } from './client-settings.ts';

export function kmsClient(options: { readonly profile?: string }, region: string | undefined): KMSClient {
  return limited(new KMSClient(clientSettings(options, region)));
}

/** Throws wrong usage, before any call, for an option that is not a KMS key. */
export function requireKmsKey(option: string, keyId: string): string {
  if (!/^arn:[^:]+:kms:|^alias\/|^[0-9a-f-]{32,40}$|^mrk-/.test(keyId))
    wrongUsage(`${option} must name a KMS key: its ARN, or its id. '${keyId}' is neither.`);
  return keyId;
}

/** In the region of the KMS key. */
export type KmsFor = (keyId: string) => Pick<KMSClient, 'send'>;

/** In the region of the key's ARN, or else in that of the command. */
export function kmsFor(options: { readonly profile?: string }, region: string | undefined): KmsFor {
  return (keyId) => kmsClient(options, /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1] ?? region);
}

/** Rejects with `AWS_REFUSED`, which says what the caller `needs`, or `CANNOT_REACH_AWS`. */
export async function kmsAnswer<T>(keyId: string, answer: Promise<T>, needs: string): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isAnswer(error)) {
      throw new KeyRotationError(
        'CANNOT_REACH_AWS',
        `Cannot reach AWS KMS for the key ${keyId} (${failureName(error)}). Check the ` +
          'region in its ARN, the credentials, and outgoing HTTPS.',
      );
    }
    throw new KeyRotationError(
      'AWS_REFUSED',
      `AWS KMS refused the key ${keyId}: ${withoutFullStop(describeError(error))}. The caller needs ${needs}.`,
      { cause: error },
    );
  }
}
