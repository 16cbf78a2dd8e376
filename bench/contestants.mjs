import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, webcrypto } from 'node:crypto';
import { decryptStringSync, encryptStringSync, parseKeySync } from '@47ng/cloak';
import {
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { gcm } from '@noble/ciphers/aes.js';

/*
 * What people use for this, each in its straightforward form: `encrypt` takes a text and gives what `decrypt` reads.
 * All work with AES-256-GCM and a key that is cached.
 */

const GCM = { authTagLength: 16 };

/** node:crypto as most applications write it: a fresh nonce, concat, the tag behind it. */
export function bareNode(key) {
  return {
    encrypt(text) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce, GCM);
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    },
    decrypt(row) {
      const decipher = createDecipheriv('aes-256-gcm', key, row.subarray(0, 12), GCM);
      decipher.setAuthTag(row.subarray(row.length - 16));
      return Buffer.concat([decipher.update(row.subarray(12, row.length - 16)), decipher.final()]).toString('utf8');
    },
  };
}

/**
 * `bareNode` in the layout of docs/format.md: the number of the key is in front, and is additional data together with the
 * context, `numberAndContext`.
 */
export function bareRows(key, number) {
  const keys = { [number]: key };
  return {
    encrypt(text, numberAndContext) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce, GCM);
      cipher.setAAD(numberAndContext);
      return Buffer.concat([
        ...[Buffer.of(number), nonce, cipher.update(text, 'utf8')],
        ...[cipher.final(), cipher.getAuthTag()],
      ]);
    },
    decrypt(row, numberAndContext) {
      const decipher = createDecipheriv('aes-256-gcm', keys[row[0]], row.subarray(1, 13), GCM);
      decipher.setAAD(numberAndContext);
      decipher.setAuthTag(row.subarray(row.length - 16));
      return Buffer.concat([decipher.update(row.subarray(13, row.length - 16)), decipher.final()]).toString('utf8');
    },
  };
}

export function noble(keyBytes) {
  return {
    encrypt(text) {
      const nonce = randomBytes(12);
      return Buffer.concat([nonce, gcm(keyBytes, nonce).encrypt(Buffer.from(text))]);
    },
    decrypt: (row) => Buffer.from(gcm(keyBytes, row.subarray(0, 12)).decrypt(row.subarray(12))).toString('utf8'),
  };
}

export async function webCrypto(keyBytes) {
  const { subtle } = webcrypto;
  const key = await subtle.importKey('raw', keyBytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
  return {
    async encrypt(text) {
      const iv = randomBytes(12);
      return Buffer.concat([iv, Buffer.from(await subtle.encrypt({ name: 'AES-GCM', iv }, key, Buffer.from(text)))]);
    },
    async decrypt(row) {
      const algorithm = { name: 'AES-GCM', iv: row.subarray(0, 12) };
      return Buffer.from(await subtle.decrypt(algorithm, key, row.subarray(12))).toString('utf8');
    },
  };
}

export function cloak(keyBytes) {
  const key = parseKeySync(`k1.aesgcm256.${keyBytes.toString('base64url')}=`);
  return { encrypt: (text) => encryptStringSync(text, key), decrypt: (row) => decryptStringSync(row, key) };
}

/** The AWS Encryption SDK with its caching materials manager: one data key for many messages, its fastest way. */
export function awsEncryptionSdk(keyBytes) {
  const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const backingMaterials = new RawAesKeyringNode({
    keyName: 'name',
    keyNamespace: 'namespace',
    unencryptedMasterKey: Uint8Array.from(keyBytes),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  const manager = new NodeCachingMaterialsManager({
    backingMaterials,
    cache: getLocalCryptographicMaterialsCache(100),
    maxAge: 3_600_000,
    maxMessagesEncrypted: 1_000_000,
    partition: 'bench',
  });
  return {
    encrypt: async (text) => (await encrypt(manager, text)).result,
    decrypt: async (row) => (await decrypt(manager, row)).plaintext.toString('utf8'),
  };
}

export const keyObjectOf = createSecretKey;
