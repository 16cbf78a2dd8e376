import { DecryptCommand, EncryptCommand } from '@aws-sdk/client-kms';
import type { Identity, Recipient } from 'age-encryption';
import { kmsAnswer, type KmsFor } from '../aws/kms-client.ts';

/** "The age file encryption format", Recipient stanza. */
const STANZA = 'pazpaz-keys/aws-kms';

/** "Encryption context": CloudTrail shows it with each use of the KMS key. */
const EncryptionContext = { purpose: 'pazpaz-key-ring-backup' };

const NEEDS =
  'kms:Encrypt for a backup and kms:Decrypt to restore it, in its own policy and, in another account, in the policy of ' +
  'the key';

/** The KMS key may be of another account or region. */
export function kmsRecipient(keyId: string, kmsOf: KmsFor): Recipient {
  return {
    wrapFileKey: async (fileKey) => {
      const input = { KeyId: keyId, Plaintext: fileKey, EncryptionContext };
      const { CiphertextBlob, KeyId = keyId } = await kmsAnswer(
        keyId,
        kmsOf(keyId).send(new EncryptCommand(input)),
        NEEDS,
      );
      const { Stanza } = await import('./age.ts');
      return [new Stanza([STANZA, KeyId], CiphertextBlob ?? new Uint8Array())];
    },
  };
}

/** Any of the file's KMS keys will do. If none does, the first refusal counts. */
export function kmsIdentity(kmsOf: KmsFor): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const failures: unknown[] = [];
      for (const { args, body } of stanzas) {
        const [type, keyId] = args;
        if (type !== STANZA || keyId === undefined) continue;
        const input = { KeyId: keyId, CiphertextBlob: body, EncryptionContext };
        try {
          const { Plaintext } = await kmsAnswer(keyId, kmsOf(keyId).send(new DecryptCommand(input)), NEEDS);
          if (Plaintext !== undefined) return Plaintext;
        } catch (error) {
          // The account or region of one key may be lost; another key opens the file, too.
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      return null;
    },
  };
}
