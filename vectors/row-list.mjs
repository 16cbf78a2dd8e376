// The list that the vectors of rows are added to.
import { bytesOf, KEYS, row } from './forms.mjs';

export const rows = [];
const ids = new Set();

/** One vector. `expected` is {text}, {bytes} (opens, but is no UTF-8) or {error}. */
export function add(id, bytes, expected, { key = 'guide', context = '', ...rest } = {}) {
  if (ids.has(id)) throw new Error(`two vectors are called ${id}`);
  ids.add(id);
  rows.push({ id, key, context, ...rest, row: bytes.toString('hex'), ...expected });
}

/** A row of today's form: a writer that is given this number and nonce writes exactly these bytes. */
export function written(id, text, { number = 0, context = '', key = 'guide' } = {}) {
  const nonce = bytesOf(`nonce ${id}`, 12);
  const bytes = row(text, { number, context, key: KEYS[key], nonce });
  add(id, bytes, { text }, { key, context, writes: { number, nonce: nonce.toString('hex') } });
  return bytes;
}

export const FAILED = { error: 'DECRYPTION_FAILED' };
