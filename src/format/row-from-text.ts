import { notBytes } from './ciphertext.ts';
import { decodeStrictBase64 } from './strict-base64.ts';

/**
 * The row in a cell of a text column, as bytes for `decryptField`. Strict base64 is decoded. Any other text is itself
 * the row. A column may hold both, because no text of older data is base64: `vN:…` has a colon, and a JSON object a
 * brace.
 *
 * Throws `INVALID_CIPHERTEXT` for a value that is not a string.
 */
export function rowFromText(text: string): Buffer {
  if (typeof text !== 'string') throw notBytes(text);
  return decodeStrictBase64(text) ?? Buffer.from(text);
}
