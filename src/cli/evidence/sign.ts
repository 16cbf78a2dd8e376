import { constants, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetPublicKeyCommand, SignCommand, VerifyCommand } from '@aws-sdk/client-kms';
import { KeyRotationError } from '../../format/error.ts';
import { awsErrorName } from '../../secret/aws-error.ts';
import { kmsAnswer, type KmsFor } from '../aws/kms-client.ts';
import { wrongUsage } from '../command.ts';
import { isSameKmsKey } from '../ring/kms-keys.ts';
import { bytesOf } from '../backup/encrypted-file.ts';
import { parsedMembers } from './sources/json-members.ts';
import type { SignatureVerification, Verification } from './verification.ts';

/** Over the checksums of the report. */
export const SIGNATURE_FILE = 'evidence.sig.json';

const FORMAT = 'pazpaz-evidence-signature/1';
const ALGORITHMS = ['RSASSA_PSS_SHA_256', 'ECDSA_SHA_256'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

interface Signature {
  readonly keyId: string;
  readonly algorithm: Algorithm;
  /** In base64. */
  readonly signature: string;
}

const NEEDS = 'kms:GetPublicKey and kms:Sign to sign, and kms:Verify to check';

/** From the text of the checksums to that of `evidence.sig.json`. */
export type Sign = (sums: string) => Promise<string>;

/**
 * RSA keys sign with RSASSA_PSS_SHA_256, curves of 256 bits with ECDSA_SHA_256. Throws `INVALID_SETTINGS` for any other
 * KMS key, `AWS_REFUSED` or `CANNOT_REACH_AWS`.
 */
export async function signer(keyId: string, kmsOf: KmsFor): Promise<Sign> {
  const kms = kmsOf(keyId);
  const {
    KeyId = keyId,
    KeyUsage,
    PublicKey,
    SigningAlgorithms = [],
  } = await kmsAnswer(keyId, kms.send(new GetPublicKeyCommand({ KeyId: keyId })), NEEDS);
  const algorithm = ALGORITHMS.find((name) => SigningAlgorithms.includes(name));
  if (algorithm === undefined || PublicKey === undefined) {
    return wrongUsage(
      `The KMS key ${keyId} (${KeyUsage ?? 'no usage'}, ${SigningAlgorithms.join(', ')}) cannot sign a report: make one with the key usage ` +
        'SIGN_VERIFY and the key spec RSA_3072 or ECC_NIST_P256.',
    );
  }
  const key = createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' });
  return async (sums) => {
    const { Signature: bytes = new Uint8Array() } = await kmsAnswer(
      keyId,
      kms.send(new SignCommand({ KeyId, ...messageOf(sums), SigningAlgorithm: algorithm })),
      NEEDS,
    );
    if (!isSignedBy(key, algorithm, sums, bytes)) {
      throw new KeyRotationError('AWS_REFUSED', `The signature that AWS KMS made with ${keyId} does not verify.`);
    }
    const publicKey = key.export({ format: 'pem', type: 'spki' });
    const signature = Buffer.from(bytes).toString('base64');
    return `${JSON.stringify({ format: FORMAT, signs: 'evidence.sha256', keyId: KeyId, algorithm, publicKey, signature }, undefined, 2)}\n`;
  };
}

export interface SignatureOptions {
  /** A file in PEM: no call is made. */
  readonly publicKey?: string | undefined;
  /** The KMS key that must have signed. */
  readonly keyId?: string | undefined;
}

/**
 * With a public key that the caller has from elsewhere, or else by KMS. The key in the file itself proves nothing:
 * anyone who changes a report can sign it again.
 */
export async function checkSignature(
  folder: string,
  sums: string,
  { publicKey, keyId }: SignatureOptions,
  kmsOf: KmsFor,
): Promise<SignatureVerification> {
  const result = (outcome: Verification['outcome'], how: string): Verification => ({ what: 'signature', outcome, how });
  const text = await readFile(join(folder, SIGNATURE_FILE), 'utf8').catch(() => undefined);
  const isDemanded = publicKey !== undefined || keyId !== undefined;
  if (text === undefined) return result(isDemanded ? 'bad' : 'not checked', `there is no ${SIGNATURE_FILE}`);
  const signed = signatureIn(text, join(folder, SIGNATURE_FILE));
  if (keyId !== undefined && !isSameKmsKey(await keyNamed(keyId, kmsOf), signed.keyId))
    return result('bad', `${signed.keyId} signed it, not ${keyId}`);
  if (publicKey !== undefined) {
    const isGood = isSignedBy(
      await publicKeyIn(publicKey),
      signed.algorithm,
      sums,
      Buffer.from(signed.signature, 'base64'),
    );
    return isGood
      ? { ...result('good', `${signed.algorithm}, with the public key in ${publicKey}`), signedBy: publicKey }
      : result('bad', `${signed.algorithm}, and not by the key in ${publicKey} over these checksums`);
  }
  const how = `AWS KMS says that ${signed.keyId} has signed; check that this key is yours`;
  return (await isValidForKms(signed, sums, kmsOf))
    ? { ...result('good', how), signedBy: signed.keyId }
    : result('bad', `AWS KMS says that ${signed.keyId} has not signed these checksums`);
}

/** An alias is resolved by KMS. The id of a key is as good as its ARN. */
async function keyNamed(keyId: string, kmsOf: KmsFor): Promise<string> {
  if (!/(^|:)alias\//.test(keyId)) return keyId;
  const call = kmsOf(keyId).send(new GetPublicKeyCommand({ KeyId: keyId }));
  return (await kmsAnswer(keyId, call, NEEDS)).KeyId ?? keyId;
}

async function isValidForKms(
  { keyId, algorithm, signature }: Signature,
  sums: string,
  kmsOf: KmsFor,
): Promise<boolean> {
  const input = { KeyId: keyId, ...messageOf(sums), Signature: Buffer.from(signature, 'base64') };
  try {
    const call = kmsOf(keyId).send(new VerifyCommand({ ...input, SigningAlgorithm: algorithm }));
    return (await kmsAnswer(keyId, call, NEEDS)).SignatureValid === true;
  } catch (error) {
    if (error instanceof KeyRotationError && awsErrorName(error.cause) === 'KMSInvalidSignatureException') return false;
    throw error;
  }
}

function signatureIn(text: string, where: string): Signature {
  const { format, keyId, algorithm, signature } = parsedMembers(text);
  const known = ALGORITHMS.find((name) => name === algorithm);
  if (format !== FORMAT || typeof keyId !== 'string' || known === undefined || typeof signature !== 'string')
    throw new KeyRotationError('INVALID_EVIDENCE', `${where} is not a signature of pazpaz-keys evidence.`);
  return { keyId, algorithm: known, signature };
}

async function publicKeyIn(path: string): Promise<KeyObject> {
  const pem = Buffer.from(await bytesOf(path)).toString('utf8');
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) wrongUsage(`${path} must hold a public key in PEM.`);
  try {
    return createPublicKey(pem);
  } catch {
    return wrongUsage(`${path} must hold a public key in PEM: it cannot be read.`);
  }
}

function isSignedBy(key: KeyObject, algorithm: Algorithm, text: string, signature: Uint8Array): boolean {
  const isRsa = algorithm === 'RSASSA_PSS_SHA_256';
  if (key.asymmetricKeyType !== (isRsa ? 'rsa' : 'ec')) return false;
  const padding = isRsa ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {};
  return verify('sha256', Buffer.from(text), { key, ...padding }, signature);
}

/** A few lines, far from the 4,096 bytes that KMS takes. */
function messageOf(text: string) {
  return { Message: Buffer.from(text), MessageType: 'RAW' } as const;
}
