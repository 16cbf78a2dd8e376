import { createCipheriv, type Cipheriv } from 'node:crypto';
import { MIN_CIPHERTEXT_BYTES, NONCE_BYTES, openNumbered, rowAdditionalData, TAG_BYTES } from '../format/ciphertext.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { varintLength } from '../format/varint.ts';

/** Bytes up to which a row is cheaper here than in an attempt of node:crypto, which is faster for each byte. */
export const MOST_SHORT_BYTES = 1024;

const BLOCK_BYTES = 16;

/** The blocks of counters of one row: that of its tag, then those of its bytes. */
const counterScratch = new Uint8Array(MOST_SHORT_BYTES + 2 * BLOCK_BYTES);
const countersOfBlocks: readonly Uint8Array[] = Array.from(
  { length: counterScratch.length / BLOCK_BYTES },
  (_, blocks) => counterScratch.subarray(0, blocks * BLOCK_BYTES),
);

/** `openShort` opens every so many rows with node:crypto as well. */
const COMPARED = 1024;

/** From `start`, `bytes` hold a nonce, a ciphertext and a tag. */
export interface Sealed {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly additional: Uint8Array;
}

/**
 * `openNumbered` for a count of many short rows, whose plaintexts are looked at and never written. Rows that do not open
 * here are tried by node:crypto, which also opens every 1,024th of the others: an `Error` where it gives other bytes.
 */
export function openShort(
  bytes: Uint8Array,
  key: KeyMaterial,
  number: KeyNumber | 0,
  context: string,
): Buffer | undefined {
  if (bytes.length > MOST_SHORT_BYTES) return openNumbered(bytes, key, number, context);
  const gcm = ShortGcm.of(key);
  const plaintext = gcm.open({ bytes, start: varintLength(number), additional: rowAdditionalData(number, context) });
  if (plaintext === undefined) return openNumbered(bytes, key, number, context);
  if (gcm.opened % COMPARED === 1 && openNumbered(bytes, key, number, context)?.equals(plaintext) !== true)
    throw new Error('A row has another plaintext in node:crypto than here. Nothing was counted; please report this.');
  return plaintext;
}

/**
 * AES-256-GCM under one key (NIST SP 800-38D, algorithm 5) without the cost of an object of OpenSSL for each row: AES is
 * node:crypto's, the function GHASH is here. It reads only; `npm test` compares it with node:crypto.
 */
export class ShortGcm {
  static readonly #of = new WeakMap<KeyMaterial, ShortGcm>();
  readonly #blocks: Cipheriv;
  /** For each place in a block and each byte there, the product of that byte and the hash key: 16 bytes, as four words. */
  readonly #products: Int32Array;
  readonly #hash = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Int32Array(this.#hash.buffer);
  #opened = 0;

  private constructor(key: KeyMaterial) {
    this.#blocks = createCipheriv('aes-256-ecb', key.keyObject, null).setAutoPadding(false);
    this.#products = new Int32Array(productsOf(this.#blocks.update(Buffer.alloc(BLOCK_BYTES))).buffer);
  }

  static of(key: KeyMaterial): ShortGcm {
    const known = this.#of.get(key);
    if (known !== undefined) return known;
    const made = new ShortGcm(key);
    this.#of.set(key, made);
    return made;
  }

  /** How many rows `open` has opened. */
  get opened(): number {
    return this.#opened;
  }

  /** Those with a tag that verifies; they are not decrypted. AES is called once for all of them. */
  matching<S extends Sealed>(sealed: readonly S[]): readonly S[] {
    const counters = Buffer.allocUnsafe(sealed.length * BLOCK_BYTES);
    for (const [index, { bytes, start }] of sealed.entries()) {
      writeCounter(counters, index * BLOCK_BYTES, bytes, start, 1);
    }
    const masks = this.#blocks.update(counters);
    return sealed.filter((one, index) => this.#isTag(one, masks, index * BLOCK_BYTES));
  }

  /** The plaintext of at most `MOST_SHORT_BYTES`; `undefined` if the tag does not verify, or for too few bytes. */
  open(sealed: Sealed): Buffer | undefined {
    const { bytes, start } = sealed;
    const length = bytes.length - start - MIN_CIPHERTEXT_BYTES;
    if (length < 0) return undefined;
    const blocks = 1 + Math.ceil(length / BLOCK_BYTES);
    for (let block = 0; block < blocks; block += 1) {
      writeCounter(counterScratch, block * BLOCK_BYTES, bytes, start, block + 1);
    }
    const stream = this.#blocks.update(countersOfBlocks[blocks] ?? counterScratch.subarray(0, blocks * BLOCK_BYTES));
    if (!this.#isTag(sealed, stream, 0)) return undefined;
    this.#opened += 1;
    for (let at = 0; at < length; at += 1) {
      stream[BLOCK_BYTES + at] = (stream[BLOCK_BYTES + at] ?? 0) ^ (bytes[start + NONCE_BYTES + at] ?? 0);
    }
    return stream.subarray(BLOCK_BYTES, BLOCK_BYTES + length);
  }

  #isTag({ bytes, start, additional }: Sealed, masks: Uint8Array, mask: number): boolean {
    const encryptedStart = start + NONCE_BYTES;
    const tagStart = bytes.length - TAG_BYTES;
    const hash = this.#hash.fill(0);
    this.#absorb(additional, 0, additional.length);
    this.#absorb(bytes, encryptedStart, tagStart);
    addLength(hash, 0, additional.length);
    addLength(hash, BLOCK_BYTES / 2, tagStart - encryptedStart);
    this.#multiply();
    for (let at = 0; at < TAG_BYTES; at += 1) {
      if (((hash[at] ?? 0) ^ (masks[mask + at] ?? 0)) !== bytes[tagStart + at]) return false;
    }
    return true;
  }

  /** The function GHASH: each block is added to the hash, which is then multiplied by the hash key. */
  #absorb(bytes: Uint8Array, start: number, end: number): void {
    const hash = this.#hash;
    for (let block = start; block < end; block += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, end - block);
      for (let at = 0; at < length; at += 1) hash[at] = (hash[at] ?? 0) ^ (bytes[block + at] ?? 0);
      this.#multiply();
    }
  }

  #multiply(): void {
    const hash = this.#hash;
    const products = this.#products;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let at = 0; at < BLOCK_BYTES; at += 1) {
      const product = ((at << 8) | (hash[at] ?? 0)) << 2;
      a ^= products[product] ?? 0;
      b ^= products[product + 1] ?? 0;
      c ^= products[product + 2] ?? 0;
      d ^= products[product + 3] ?? 0;
    }
    const words = this.#words;
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
  }
}

/** A nonce of 96 bits and the number of a block after it (NIST SP 800-38D, section 7.1). */
function writeCounter(target: Uint8Array, at: number, bytes: Uint8Array, start: number, block: number): void {
  for (let index = 0; index < NONCE_BYTES; index += 1) target[at + index] = bytes[start + index] ?? 0;
  target[at + 12] = 0;
  target[at + 13] = 0;
  target[at + 14] = 0;
  target[at + 15] = block;
}

/** Adds the bits of so many bytes, as half of the last block. */
function addLength(hash: Uint8Array, half: number, bytes: number): void {
  const bits = bytes * 8;
  for (let at = 0; at < 4; at += 1) hash[half + 7 - at] = (hash[half + 7 - at] ?? 0) ^ ((bits >>> (8 * at)) & 0xff);
}

/** The first bit of a block stands for 1, each further one for the next power of x; x^128 = x^7 + x^2 + x + 1. */
function productsOf(hashKey: Buffer): Uint8Array {
  const products = new Uint8Array(BLOCK_BYTES * 256 * BLOCK_BYTES);
  const power = Uint8Array.from(hashKey);
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    const placeOf = (byte: number) => (256 * at + byte) * BLOCK_BYTES;
    for (let bit = 0x80; bit > 0; bit >>= 1) {
      products.set(power, placeOf(bit));
      timesX(power);
    }
    for (let byte = 1; byte < 256; byte += 1) {
      const bit = byte & -byte;
      for (let index = 0; bit !== byte && index < BLOCK_BYTES; index += 1) {
        products[placeOf(byte) + index] =
          (products[placeOf(bit) + index] ?? 0) ^ (products[placeOf(byte ^ bit) + index] ?? 0);
      }
    }
  }
  return products;
}

function timesX(power: Uint8Array): void {
  let carry = 0;
  for (const [index, byte] of power.entries()) {
    power[index] = (byte >> 1) | carry;
    carry = (byte & 1) << 7;
  }
  if (carry > 0) power[0] = (power[0] ?? 0) ^ 0xe1;
}
