import { MAX_KEY_NUMBER, toKeyNumber, type KeyNumber } from './key-number.ts';

/** For numbers up to `MAX_KEY_NUMBER`: 30 bits, seven to a byte. */
const MAX_VARINT_BYTES = 5;

/** In bytes: 1 up to 127, 2 up to 16,383, 3, 4, and 5 from 2^28 on. */
export function varintLength(number: KeyNumber | 0): number {
  let length = 1;
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) length += 1;
  return length;
}

/** Writes unsigned LEB128 in as few bytes as possible. Returns their count. */
export function writeVarint(target: Uint8Array, number: KeyNumber | 0): number {
  let length = 0;
  let rest: number = number;
  for (; rest > 0x7f; rest >>>= 7) target[length++] = (rest & 0x7f) | 0x80;
  target[length++] = rest;
  return length;
}

/**
 * The number at the start of `bytes`; `undefined` if `writeVarint` would not write this: not minimal (0x81 0x00),
 * without an end, or above `MAX_KEY_NUMBER`. So a row has exactly one possible header, of `varintLength` bytes.
 */
export function readVarint(bytes: Uint8Array): KeyNumber | 0 | undefined {
  let value = 0;
  let unit = 1;
  for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
    const byte = bytes[index];
    if (byte === undefined) return undefined;
    // A product: the fifth byte is beyond the 32 bits of a shift, which would come out negative.
    value += (byte & 0x7f) * unit;
    unit *= 0x80;
    if (byte < 0x80) {
      const isMinimal = byte !== 0 || index === 0;
      if (!isMinimal || value > MAX_KEY_NUMBER) return undefined;
      return value === 0 ? 0 : toKeyNumber(value);
    }
  }
  return undefined;
}
