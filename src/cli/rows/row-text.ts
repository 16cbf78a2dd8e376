import { decodeStrictBase64 } from '../../format/strict-base64.ts';

const HEX = /^\\x((?:[0-9a-f]{2})+)$/i;

/**
 * `\x…` is bytea as psql prints it, base64 is one of our text columns, anything else is older data in a text column.
 * White space around it is ignored.
 */
export function rowBytes(text: string): Buffer {
  const word = text.trim();
  const hex = HEX.exec(word)?.[1];
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  // psql and mail programs break long lines.
  const base64 = decodeStrictBase64(word.replace(/\s+/g, ''));
  return base64 === undefined ? Buffer.from(word, 'utf8') : Buffer.from(base64);
}
