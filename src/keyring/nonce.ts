import { randomFillSync } from 'node:crypto';
import { NONCE_BYTES } from './ciphertext.ts';

/**
 * Gives 12 bytes that it never gave before, each time it is called. They are good until the next call. A caller that
 * has just read the clocks (see `NonceClocks`) may hand the readings over, and spare the source its own.
 */
export type NonceSource = (wall?: number, monotonic?: number) => Uint8Array;

/** Nonces from the operating system's random generator (NIST SP 800-38D, section 8.2.2). */
export const randomNonce: NonceSource = () => randomFillSync(new Uint8Array(NONCE_BYTES));
