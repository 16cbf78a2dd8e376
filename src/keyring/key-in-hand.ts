import { encryptField as encryptWith, type EncryptOptions } from './field.ts';
import type { KeyMaterial } from './key-material.ts';
import { pooledNonce } from './nonce-pool.ts';

/** Encrypts as `encryptField` of field.ts does, with nonces from the pool: applications encrypt far more than a Lambda. */
export function encryptField(
  text: string | Uint8Array,
  key: KeyMaterial | Uint8Array,
  context = '',
  options: EncryptOptions = {},
): Buffer {
  return encryptWith(text, key, context, { nonces: pooledNonce, ...options });
}
