import { rowFromText } from '../format/row-from-text.ts';

/** How a column stores a row: as bytes, as base64 in a text, or as base64 in a string of JSON. */
export type Storage = 'bytea' | 'text' | 'jsonb';

/**
 * The row in a stored value, as the bytes that the key ring reads: a text as the application's `rowFromText` takes it; a
 * jsonb is a string with such a text, or the JSON object of older data. No bytes for an empty value, or the `null` of
 * JSON that some applications write for no value: nobody encrypted these.
 */
export function rowOf(stored: string, storage: Storage): Uint8Array {
  if (storage === 'bytea') return Buffer.from(stored.slice(2), 'hex');
  if (storage === 'text') return rowFromText(stored);
  if (stored === 'null') return new Uint8Array();
  const text = jsonText(stored);
  return text === undefined ? Buffer.from(stored) : rowFromText(text);
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
