import { decodeStrictBase64 } from '../keyring/strict-base64.ts';

/** How a column stores a row: as bytes, as base64 in a text, or as base64 in a string of JSON. */
export type Storage = 'bytea' | 'text' | 'jsonb';

/**
 * Every spelling of a stored value that a ciphertext may be in, as the bytes that the key ring reads. A text is base64
 * of ours, or itself older data (`vN:…`, JSON); a jsonb is a string with one of these, or the JSON object of older data.
 * The likely one comes first; only a tag that verifies decides. None for an empty value, or the `null` of JSON that some
 * applications write for no value: nobody encrypted these.
 */
export function spellings(stored: string, storage: Storage): readonly Uint8Array[] {
  if (storage === 'bytea') return present(Buffer.from(stored.slice(2), 'hex'));
  if (storage === 'jsonb' && stored === 'null') return [];
  const text = storage === 'jsonb' ? jsonText(stored) : stored;
  if (text === undefined) return [Buffer.from(stored)];
  const decoded = decodeStrictBase64(text);
  return decoded === undefined ? present(Buffer.from(text)) : [...present(decoded), ...present(Buffer.from(text))];
}

/** A ciphertext as the column stores it. */
export function asStored(row: Buffer, storage: Storage): Uint8Array {
  if (storage === 'bytea') return row;
  const base64 = row.toString('base64');
  return Buffer.from(storage === 'jsonb' ? `"${base64}"` : base64);
}

/** The text of a JSON string; `undefined` for any other JSON. */
function jsonText(stored: string): string | undefined {
  const value: unknown = JSON.parse(stored);
  return typeof value === 'string' ? value : undefined;
}

function present(bytes: Uint8Array): readonly Uint8Array[] {
  return bytes.length === 0 ? [] : [bytes];
}
