import { notBytes } from './ciphertext.ts';
import { decodeStrictBase64 } from './strict-base64.ts';

/** Base64 as PostgreSQL's `encode` and MIME break it, each line with LF or each with CR LF. */
const LINES = /^[A-Za-z0-9+/]+(?:(?:\n[A-Za-z0-9+/=]+)+\n?|(?:\r\n[A-Za-z0-9+/=]+)+(?:\r\n)?)$/;

/**
 * The row in a cell of a text column, as bytes for `decryptField`. Strict base64 is decoded, in one line or several.
 * Any other text is itself the row: no text of older data is base64, because `vN:…` has a colon and a JSON object a
 * brace. Throws `INVALID_CIPHERTEXT` for a value that is not a string.
 */
export function rowFromText(text: string): Buffer {
  if (typeof text !== 'string') throw notBytes(text);
  const base64 = text.includes('\n') && LINES.test(text) ? text.replaceAll(/\r?\n/g, '') : text;
  return decodeStrictBase64(base64) ?? Buffer.from(text);
}
