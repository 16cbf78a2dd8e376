import { readFile } from 'node:fs/promises';
import type { Identity, Recipient } from 'age-encryption';
import { isKeyRotationError, KeyRotationError } from '../../format/error.ts';
import { fileProblem } from '../file-error.ts';
import { wrongUsage } from '../command.ts';

/** A public key `age1…`, or another recipient such as a KMS key. */
export type BackupRecipient = string | Recipient;

/**
 * The age format (age-encryption.org/v1). Each recipient can decrypt it. Throws `INVALID_SETTINGS` for a misspelt
 * public key.
 */
export async function encryptFor(recipients: readonly BackupRecipient[], text: string): Promise<Uint8Array> {
  const { Encrypter } = await import('./age.ts');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      wrongUsage('A recipient is misspelt: each must be a public key that age-keygen printed (age1…).');
    }
  }
  return encrypter.encrypt(text);
}

/** Throws `INVALID_BACKUP` if none of the identities can. */
export async function decryptWith(identities: readonly (string | Identity)[], file: Uint8Array): Promise<string> {
  const { armor, Decrypter } = await import('./age.ts');
  const decrypter = new Decrypter();
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
  } catch {
    // The library's message quotes the private key.
    wrongUsage('A private key in the file of --identity is misspelt: its checksum is wrong.');
  }
  try {
    const bytes = isArmored(file) ? armor.decode(Buffer.from(file).toString('latin1')) : file;
    return await decrypter.decrypt(bytes, 'text');
  } catch (error) {
    if (isKeyRotationError(error)) throw error;
    throw new KeyRotationError(
      'INVALID_BACKUP',
      'The file cannot be decrypted: it is not a backup, was cut or changed, or was encrypted for other recipients. ' +
        'Name the file of a private key (--identity) or use credentials that may decrypt with its KMS key.',
    );
  }
}

function isArmored(file: Uint8Array): boolean {
  return Buffer.from(file.subarray(0, 40)).toString('latin1').startsWith('-----BEGIN AGE ENCRYPTED FILE-----');
}

const PRIVATE_KEY = /^AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+$/;

/** Of a file of `age-keygen`. Throws `INVALID_SETTINGS`, which never quotes the file. */
export async function identitiesIn(path: string): Promise<readonly string[]> {
  const lines = (await textOf(path)).split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0 || !keys.every((line) => PRIVATE_KEY.test(line))) {
    wrongUsage(`${path} must have one private key of age-keygen on each line (AGE-SECRET-KEY-1…), and comments.`);
  }
  return keys;
}

export async function bytesOf(path: string): Promise<Uint8Array> {
  if (/^AGE-SECRET-KEY-/i.test(path)) wrongUsage('Name the file of the private key, never the key itself.');
  return readFile(path).catch((error: unknown) => wrongUsage(`${path} cannot be read: ${fileProblem(error)}.`));
}

async function textOf(path: string): Promise<string> {
  return Buffer.from(await bytesOf(path)).toString('utf8');
}
