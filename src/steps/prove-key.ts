import { NONCE_BYTES, openNumbered, seal } from '../format/ciphertext.ts';
import { KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { randomNonce } from '../format/nonce.ts';
import { readVarint } from '../format/varint.ts';

const PROOF_TEXT = 'Patient has diabetes';
const PROOF_CONTEXT = 'pazpaz:rotation:proof';

/**
 * Encrypts and decrypts with the code of applications, and checks that a flipped bit in header, nonce, ciphertext or
 * tag is rejected. Returns the ciphertext, on which the other keys must fail. Throws `ROUND_TRIP_FAILED`.
 */
export function proveKey(key: KeyMaterial): Uint8Array {
  const sealed = seal(PROOF_TEXT, key, 0, PROOF_CONTEXT, randomNonce());
  if (!opens(sealed, key)) throw failed('it cannot decrypt what it has just encrypted');
  const places = { header: 0, nonce: 1, ciphertext: 1 + NONCE_BYTES, tag: sealed.length - 1 };
  for (const [part, place] of Object.entries(places)) {
    const flipped = Uint8Array.from(sealed, (byte, index) => (index === place ? byte ^ 1 : byte));
    if (opens(flipped, key)) throw failed(`a flipped bit in the ${part} was not noticed`);
  }
  return sealed;
}

/** Throws `ROUND_TRIP_FAILED` if a key of the ring opens what a different key has sealed. */
export function requireForeign(other: KeyMaterial, sealed: Uint8Array, number: number): void {
  if (opens(sealed, other)) throw failed(`key ${number}, a different key, decrypts what it has encrypted`);
}

function opens(sealed: Uint8Array, key: KeyMaterial): boolean {
  const number = readVarint(sealed);
  return number !== undefined && openNumbered(sealed, key, number, PROOF_CONTEXT)?.toString() === PROOF_TEXT;
}

function failed(found: string): KeyRotationError {
  return new KeyRotationError(
    'ROUND_TRIP_FAILED',
    `The pending key did not pass its test: ${found}. Nothing was promoted. Do not retry before you know why: this points at a broken build or runtime.`,
  );
}
