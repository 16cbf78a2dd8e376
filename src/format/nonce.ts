import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import v8 from 'node:v8';
import { NONCE_BYTES } from './ciphertext.ts';

/**
 * Returns 12 bytes that it never returned before, valid until the next call. A caller that has just read the clocks
 * (see `NonceClocks`) may pass the readings.
 */
export type NonceSource = (wall?: number, monotonic?: number) => Uint8Array;

/** Nonces from the operating system's random generator (NIST SP 800-38D, section 8.2.2). */
export const randomNonce: NonceSource = () => randomFillSync(new Uint8Array(NONCE_BYTES));

/** Words, because XORing single bytes takes longer than reading the clocks. */
const NONCE_WORDS = NONCE_BYTES / 4;

/** 256 nonces at a time: few enough to stay in memory only briefly, enough to make fetching cheap. */
const POOL_WORDS = NONCE_WORDS * 256;

/** Milliseconds, by either clock, for which a machine restored from a snapshot may share the pool of its clones. */
const POOL_LIFE = 1000;

const TWO_TO_16 = 0x1_0000;
const TWO_TO_32 = 0x1_0000_0000;

export interface NonceClocks {
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  /** Milliseconds with a fraction, as precise as the machine allows. */
  readonly monotonic: () => number;
}

const SYSTEM_CLOCKS: NonceClocks = { wall: () => Date.now(), monotonic: () => performance.now() };

/**
 * Nonces from a pool of random bytes, since asking the operating system for 12 bytes costs half an encryption. A pool
 * belongs to one instance of this module; worker threads and child processes have their own.
 *
 * Each nonce is the next 12 bytes of the pool, used once and wiped, XORed with a new reading of the clocks:
 * milliseconds since 1970 in the first six bytes, nanoseconds of the monotonic clock in the last six. The XOR keeps
 * random bytes random (NIST SP 800-38D, section 8.2.2). Two clones of a machine differ by it unless they read the same
 * millisecond and nanosecond at the same place of the pool, within `POOL_LIFE` of filling it.
 */
export function nonceStream(
  fill: (bytes: Uint8Array) => void = systemRandom(),
  clocks: NonceClocks = SYSTEM_CLOCKS,
): NonceSource {
  const pool = new Uint32Array(POOL_WORDS);
  const poolBytes = new Uint8Array(pool.buffer);
  const nonce = new Uint32Array(NONCE_WORDS);
  const nonceBytes = new Uint8Array(nonce.buffer);
  let next = POOL_WORDS;
  let filledAtWall = 0;
  let filledAtMonotonic = 0;
  let isEmptiedBeforeSnapshot = false;
  /** Keeps the pool out of a startup snapshot (`node --build-snapshot`), from which many processes start. */
  const emptyBeforeSnapshot = () => {
    if (isEmptiedBeforeSnapshot || !isBuildingSnapshot()) return;
    isEmptiedBeforeSnapshot = true;
    v8.startupSnapshot.addSerializeCallback(() => {
      next = POOL_WORDS;
      pool.fill(0);
    });
  };
  return (wall = clocks.wall(), monotonic = clocks.monotonic()) => {
    const isOld = Math.abs(wall - filledAtWall) > POOL_LIFE || Math.abs(monotonic - filledAtMonotonic) > POOL_LIFE;
    if (next === POOL_WORDS || isOld) {
      // If this throws, the pool stays empty and the next call tries again.
      next = POOL_WORDS;
      emptyBeforeSnapshot();
      fill(poolBytes);
      next = 0;
      filledAtWall = wall;
      filledAtMonotonic = monotonic;
    }
    const nanoseconds = monotonic * 1e6;
    // Remainders and divisions, because a shift reads a number as signed 32 bits.
    nonce[0] = take(pool, next) ^ (wall % TWO_TO_32);
    nonce[1] = take(pool, next + 1) ^ ((wall / TWO_TO_32) & 0xffff) ^ ((nanoseconds % TWO_TO_16) << 16);
    nonce[2] = take(pool, next + 2) ^ ((nanoseconds / TWO_TO_16) % TWO_TO_32);
    next += NONCE_WORDS;
    return nonceBytes;
  };
}

/**
 * Random bytes of OpenSSL XORed with those of the kernel, where these can be read. Clones of a machine share the state
 * of OpenSSL's generator for minutes; the kernel's is reseeded when a machine is restored (Linux 5.18, VM generation
 * id). Both together take 8 microseconds for 256 nonces.
 */
function systemRandom(): (bytes: Uint8Array) => void {
  const kernelWords = new Uint32Array(POOL_WORDS);
  let file: number | undefined;
  return (bytes) => {
    randomFillSync(bytes);
    // Deno would ask for permission.
    if (process.platform === 'win32' || 'deno' in process.versions) return;
    try {
      file ??= openSync('/dev/urandom', 'r');
      readSync(file, kernelWords, 0, bytes.length, null);
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset, POOL_WORDS);
      for (let index = 0; index < POOL_WORDS; index += 1) words[index] = (words[index] ?? 0) ^ take(kernelWords, index);
      if (!isBuildingSnapshot()) return;
      // An open file does not survive a startup snapshot.
      closeSync(file);
      file = undefined;
    } catch {
      file = undefined;
    }
  };
}

function isBuildingSnapshot(): boolean {
  return 'startupSnapshot' in v8 && v8.startupSnapshot.isBuildingSnapshot();
}

/** Marked pure so that the Lambda's bundle leaves the pool out. */
export const pooledNonce: NonceSource = /* @__PURE__ */ nonceStream();

/** Wipes what it takes. */
function take(pool: Uint32Array, index: number): number {
  const word = pool[index] ?? 0;
  pool[index] = 0;
  return word;
}
