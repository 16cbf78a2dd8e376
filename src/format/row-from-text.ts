import { notBytes } from './ciphertext.ts';
import { decodeStrictBase64 } from './strict-base64.ts';

/**
 * The row in a cell of a text column, as bytes for `decryptField`: what strict base64 spells, or the bytes of the text
 * itself, if it is not base64. A column may hold both, since no text of older data is base64: `vN:…` has a colon, and a JSON
 * object a brace.
 *
 * Throws `INVALID_CIPHERTEXT` for what is no string.
 */
export function rowFromText(text: string): Buffer {
  if (typeof text !== 'string') throw notBytes(text);
  return decodeStrictBase64(text) ?? Buffer.from(text);
}
