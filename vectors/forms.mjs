// The forms of a row, written from docs/format.md with node:crypto alone.
import { createCipheriv, createHash } from 'node:crypto';

export const bytesOf = (seed, length) => {
  let bytes = Buffer.alloc(0);
  for (let block = 0; bytes.length < length; block += 1) {
    bytes = Buffer.concat([bytes, createHash('sha256').update(`pazpaz vectors ${seed} ${block}`).digest()]);
  }
  return bytes.subarray(0, length);
};

export const KEYS = {
  guide: Buffer.from('rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=', 'base64'),
  other: bytesOf('key other', 32),
};
export const SENTENCE = 'Patient has diabetes';
export const NUMBERS = [1, 5, 127, 128, 255, 256, 16383, 16384, 2097151, 2097152, 268435455, 268435456, 999999999];

// --- The forms, as the page describes them

export function header(number) {
  const bytes = [];
  for (let rest = number; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

export function box(plaintext, { key = KEYS.guide, nonce, additional = Buffer.alloc(0), tagBytes = 16 }) {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(additional);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

export function row(plaintext, { number = 0, context = '', start = header(number), ...rest }) {
  const additional = Buffer.concat([start, Buffer.from(context)]);
  return Buffer.concat([start, box(Buffer.from(plaintext), { ...rest, additional })]);
}

export const flipped = (bytes, index, bit = 0) => {
  const copy = Buffer.from(bytes);
  copy[index] ^= 1 << bit;
  return copy;
};

export const base64 = (bytes) => bytes.toString('base64');
