import { createCipheriv, type Cipheriv } from 'node:crypto';
import { additionalData, MIN_CIPHERTEXT_BYTES, NONCE_BYTES, TAG_BYTES } from '../format/ciphertext.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { varintLength } from '../format/varint.ts';
import type { CandidateRow } from './attribution.ts';
import type { OpeningKeys } from './known-keys.ts';

const BLOCK_BYTES = 16;

/** Bytes up to which checking a tag here is cheaper than an attempt of node:crypto, which is faster for each byte. */
const SHORT = 1024;

/** Rows whose tags are checked at once: AES is called once for all of them. */
const BATCH = 64;

interface Box {
  readonly row: CandidateRow;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly additional: Uint8Array;
}

const NO_ADDITIONAL_DATA = new Uint8Array(0);

/** The rows that a key may open; long ones are all given. For a short row it costs a fraction of trying every key. */
export function* openable(rows: Iterable<CandidateRow>, keys: OpeningKeys): Generator<CandidateRow> {
  let batch: CandidateRow[] = [];
  for (const row of rows) {
    if (row.bytes.length < MIN_CIPHERTEXT_BYTES) continue;
    if (row.bytes.length > SHORT) yield row;
    else batch.push(row);
    if (batch.length < BATCH) continue;
    yield* withTag(batch, keys);
    batch = [];
  }
  yield* withTag(batch, keys);
}

function withTag(rows: readonly CandidateRow[], keys: OpeningKeys): Iterable<CandidateRow> {
  const boxes = rows.flatMap(boxesOf);
  const found = new Set<CandidateRow>();
  if (boxes.length === 0) return found;
  for (const { key } of keys.inOrder) {
    for (const { row } of TagCheck.of(key).matching(boxes)) found.add(row);
  }
  return found;
}

function boxesOf(row: CandidateRow): readonly Box[] {
  const { bytes, number, contexts } = row;
  const boxes: Box[] = legacyBoxes(bytes).map((box) => ({ row, bytes: box, start: 0, additional: NO_ADDITIONAL_DATA }));
  if (number !== undefined) {
    const start = varintLength(number);
    for (const context of contexts) boxes.push({ row, bytes, start, additional: additionalData(number, context) });
  }
  return boxes.filter((box) => box.bytes.length >= box.start + MIN_CIPHERTEXT_BYTES);
}

/**
 * Compares the tags of boxes with those that a key gives them (NIST SP 800-38D, algorithm 5), without decrypting. What it
 * finds is opened by node:crypto, so that nothing is believed for its sake; what it missed would be lost from sight, which
 * tests compare with node:crypto.
 */
class TagCheck {
  static readonly #of = new WeakMap<KeyMaterial, TagCheck>();
  readonly #blocks: Cipheriv;
  /** For each place in a block and each byte there, the product of that byte and the hash key: 16 bytes, as four words. */
  readonly #products: Int32Array;
  readonly #hash = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Int32Array(this.#hash.buffer);

  private constructor(key: KeyMaterial) {
    this.#blocks = createCipheriv('aes-256-ecb', key.keyObject, null).setAutoPadding(false);
    this.#products = new Int32Array(productsOf(this.#blocks.update(Buffer.alloc(BLOCK_BYTES))).buffer);
  }

  static of(key: KeyMaterial): TagCheck {
    const known = this.#of.get(key) ?? new TagCheck(key);
    this.#of.set(key, known);
    return known;
  }

  matching(boxes: readonly Box[]): readonly Box[] {
    const counters = Buffer.alloc(boxes.length * BLOCK_BYTES);
    let at = 0;
    for (const { bytes, start } of boxes) {
      for (let index = 0; index < NONCE_BYTES; index += 1) counters[at + index] = bytes[start + index] ?? 0;
      counters[at + BLOCK_BYTES - 1] = 1;
      at += BLOCK_BYTES;
    }
    const masks = this.#blocks.update(counters);
    return boxes.filter((box, index) => this.#isTag(box, masks, index * BLOCK_BYTES));
  }

  #isTag({ bytes, start, additional }: Box, masks: Uint8Array, mask: number): boolean {
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
