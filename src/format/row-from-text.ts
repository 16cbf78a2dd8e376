import { notBytes } from './ciphertext.ts';
import { decodeStrictBase64 } from './strict-base64.ts';

/**
 * The row in a cell of a text column, as bytes for `decryptField`. Strict base64 is decoded, in one line or several.
 * Any other text is itself the row: no text of older data is base64, because `vN:…` has a colon and a JSON object a
 * brace. Throws `INVALID_CIPHERTEXT` for a value that is not a string.
 */
export function rowFromText(text: string): Buffer {
  if (typeof text !== 'string') throw notBytes(text);
  return decodeStrictBase64(text.includes('\n') ? joined(text) : text) ?? Buffer.from(text);
}

/** Lines in one, as PostgreSQL's `encode` and MIME break base64: each with LF or each with CR LF. Otherwise the text. */
function joined(text: string): string {
  const lineBreak = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = (text.endsWith(lineBreak) ? text.slice(0, -lineBreak.length) : text).split(lineBreak);
  // Padding ends base64, so it is never in the first of several lines.
  const isBroken = lines.length > 1 && !lines.includes('') && lines[0]?.includes('=') === false;
  return isBroken ? lines.join('') : text;
}
