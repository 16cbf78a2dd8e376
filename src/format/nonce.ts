import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { NONCE_BYTES } from './ciphertext.ts';

/**
 * Gives 12 bytes that it never gave before, each time it is called. They are good until the next call. A caller that
 * has just read the clocks (see `NonceClocks`) may hand the readings over, and spare the source its own.
 */
export type NonceSource = (wall?: number, monotonic?: number) => Uint8Array;

/** Nonces from the operating system's random generator (NIST SP 800-38D, section 8.2.2). */
export const randomNonce: NonceSource = () => randomFillSync(new Uint8Array(NONCE_BYTES));

/** Words of 32 bits: single bytes would take longer than the clocks do. */
const NONCE_WORDS = NONCE_BYTES / 4;

/** Random words fetched at a time: few enough to lie about only briefly, enough that the fetching costs nothing. */
const POOL_WORDS = NONCE_WORDS * 256;

/**
 * Milliseconds that a filling is used for, by either clock. A machine that is restored from a snapshot, or a process from
 * a startup snapshot, has the pool of all its clones: after a second it has one of its own.
 */
const POOL_LIFE = 1000;

const TWO_TO_16 = 0x1_0000;
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
 * Each nonce is the next 12 bytes of the pool, used once and wiped, XORed with a fresh reading of the clocks:
 * milliseconds since 1970 in the first six bytes, nanoseconds of the monotonic clock in the last six. The XOR keeps random
 * bytes as random as they were (NIST SP 800-38D, section 8.2.2). Two clones of one machine differ by it unless they read
 * the same millisecond and the same nanosecond at the same place of the pool, within `POOL_LIFE` of filling it.
 *
 * A pool belongs to one instance of this module: worker threads, child processes and a second copy of the package have
 * pools of their own.
 */
export function nonceStream(
  fill: (bytes: Uint8Array) => void = randomFillSync,
  clocks: NonceClocks = SYSTEM_CLOCKS,
): NonceSource {
  const pool = new Uint32Array(POOL_WORDS);
  const poolBytes = new Uint8Array(pool.buffer);
  const nonce = new Uint32Array(NONCE_WORDS);
  const nonceBytes = new Uint8Array(nonce.buffer);
  let next = POOL_WORDS;
  let filledAtWall = 0;
  let filledAtMonotonic = 0;
  return (wall = clocks.wall(), monotonic = clocks.monotonic()) => {
    const isOld = Math.abs(wall - filledAtWall) > POOL_LIFE || Math.abs(monotonic - filledAtMonotonic) > POOL_LIFE;
    if (next === POOL_WORDS || isOld) {
      // Should this throw, the pool stays empty and the next call tries again.
      next = POOL_WORDS;
      fill(poolBytes);
      next = 0;
      filledAtWall = wall;
      filledAtMonotonic = monotonic;
    }
    const nanoseconds = monotonic * 1e6;
    // Bits of the numbers that are no 32 of them wide: a shift would take them for signed ones of 32 bits.
    nonce[0] = take(pool, next) ^ (wall % TWO_TO_32);
    nonce[1] = take(pool, next + 1) ^ ((wall / TWO_TO_32) & 0xffff) ^ ((nanoseconds % TWO_TO_16) << 16);
    nonce[2] = take(pool, next + 2) ^ ((nanoseconds / TWO_TO_16) % TWO_TO_32);
    next += NONCE_WORDS;
    return nonceBytes;
  };
}

/** The nonces of this instance of the module. Marked pure so that the Lambda's bundle leaves the pool out. */
export const pooledNonce: NonceSource = /* @__PURE__ */ nonceStream();

/** Takes four bytes out of the pool, and wipes them there. */
function take(pool: Uint32Array, index: number): number {
  const word = pool[index] ?? 0;
  pool[index] = 0;
  return word;
}
