import { DecryptCommand, EncryptCommand, type KMSClient } from '@aws-sdk/client-kms';
import { Stanza, type Identity, type Recipient } from 'age-encryption';
import { isAnswer, KeyRotationError } from '../../format/error.ts';
import { describeError } from '../../secret/aws-error.ts';
import { kmsRegion } from '../aws/kms-region.ts';

/** The type of our stanza in an age file ("The age file encryption format", Recipient stanza). */
const STANZA = 'pazpaz-keys/aws-kms';

/** Bound to each ciphertext ("Encryption context"), so that CloudTrail says what it was for. */
const EncryptionContext = { purpose: 'pazpaz-key-ring-backup' };

/** A client for the region of a KMS key. */
export type KmsIn = (region: string | undefined) => Pick<KMSClient, 'send'>;

/** Encrypts the key of an age file under a KMS key, which may be of another account or region. */
export function kmsRecipient(keyId: string, kmsIn: KmsIn): Recipient {
  return {
    wrapFileKey: async (fileKey) => {
      const input = { KeyId: keyId, Plaintext: fileKey, EncryptionContext };
      const { CiphertextBlob, KeyId = keyId } = await answerOf(
        keyId,
        kmsIn(kmsRegion(keyId)).send(new EncryptCommand(input)),
      );
      return [new Stanza([STANZA, KeyId], CiphertextBlob ?? new Uint8Array())];
    },
  };
}

/** Decrypts the key of an age file with any of the KMS keys that its stanzas name. The first refusal counts if none can. */
export function kmsIdentity(kmsIn: KmsIn): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const failures: unknown[] = [];
      for (const { args, body } of stanzas) {
        const [type, keyId] = args;
        if (type !== STANZA || keyId === undefined) continue;
        const input = { KeyId: keyId, CiphertextBlob: body, EncryptionContext };
        try {
          const { Plaintext } = await answerOf(keyId, kmsIn(kmsRegion(keyId)).send(new DecryptCommand(input)));
          if (Plaintext !== undefined) return Plaintext;
        } catch (error) {
          // The account or the region of one key may be lost. Another key opens the file, too.
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      return null;
    },
  };
}

/** Rejects with `AWS_REFUSED` or `CANNOT_REACH_AWS`. */
async function answerOf<T>(keyId: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isAnswer(error)) {
      throw new KeyRotationError(
        'CANNOT_REACH_AWS',
        `Cannot reach AWS KMS for the key ${keyId} (${error instanceof Error ? error.name : 'no answer'}). Check the ` +
          'region in its ARN, the credentials, and outgoing HTTPS.',
      );
    }
    throw new KeyRotationError(
      'AWS_REFUSED',
      `AWS KMS refused the key ${keyId}: ${describeError(error)}. The caller needs kms:Encrypt for a backup and ` +
        'kms:Decrypt to restore it, in its own policy and, in another account, in the policy of the key.',
      { cause: error },
    );
  }
}
