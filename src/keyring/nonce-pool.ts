import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { NONCE_BYTES } from './ciphertext.ts';
import type { NonceSource } from './nonce.ts';

/** Random bytes fetched at a time: few enough to lie about only briefly, enough that the fetching costs nothing. */
const POOL_BYTES = NONCE_BYTES * 256;

const TWO_TO_32 = 0x1_0000_0000;

/** The clocks that are mixed into each nonce. */
export interface NonceClocks {
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  /** Milliseconds with a fraction, as finely as the machine has them. */
  readonly monotonic: () => number;
}

const SYSTEM_CLOCKS: NonceClocks = { wall: () => Date.now(), monotonic: () => performance.now() };

/**
 * Nonces from a pool of random bytes. Asking the operating system for 12 bytes costs as much as half an encryption;
 * asking for thousands costs hardly more.
 *
 * Each nonce is the next 12 bytes of the pool, which are handed out once and wiped, XORed with a fresh reading of the
 * clocks: milliseconds since 1970 in the first six bytes, nanoseconds of the monotonic clock in the last six. The XOR
 * keeps random bytes as random as they were (NIST SP 800-38D, section 8.2.2), and makes two machines that were restored
 * from one snapshot, with one pool in both, differ unless they read the same instant. What remains: two such restores
 * whose clocks give the same millisecond and the same nanosecond for the same place of the pool.
 *
 * A pool belongs to one instance of this module: worker threads, child processes and a second copy of the package have
 * pools of their own.
 */
export function nonceStream(
  fill: (bytes: Uint8Array) => void = randomFillSync,
  clocks: NonceClocks = SYSTEM_CLOCKS,
): NonceSource {
  const pool = new Uint8Array(POOL_BYTES);
  const nonce = new Uint8Array(NONCE_BYTES);
  let next = POOL_BYTES;
  return () => {
    if (next === POOL_BYTES) {
      // Should this throw, the pool stays empty and the next call tries again.
      fill(pool);
      next = 0;
    }
    for (let index = 0; index < NONCE_BYTES; index += 1) {
      nonce[index] = pool[next] ?? 0;
      pool[next] = 0;
      next += 1;
    }
    mix(nonce, 0, clocks.wall());
    mix(nonce, NONCE_BYTES / 2, clocks.monotonic() * 1e6);
    return nonce;
  };
}

/** The nonces of this instance of the module. */
export const pooledNonce: NonceSource = nonceStream();

/** XORs the low 48 bits of a number into six bytes. */
function mix(target: Uint8Array, offset: number, reading: number): void {
  let low = (reading % TWO_TO_32) | 0;
  let high = (reading / TWO_TO_32) | 0;
  for (let index = offset; index < offset + 4; index += 1) {
    target[index] = (target[index] ?? 0) ^ (low & 0xff);
    low >>>= 8;
  }
  for (let index = offset + 4; index < offset + 6; index += 1) {
    target[index] = (target[index] ?? 0) ^ (high & 0xff);
    high >>>= 8;
  }
}
