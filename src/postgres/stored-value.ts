import { isKeyRotationError } from '../format/error.ts';
import { DATA_MEMBER, rowFromJson } from '../format/row-from-json.ts';
import { rowFromText } from '../format/row-from-text.ts';

/** How a column stores a row: as bytes, as base64 in a text, or as base64 in a string of JSON or a member of an object. */
export type Storage = 'bytea' | 'text' | 'jsonb';

/**
 * The row in a stored value, as the bytes that the key ring reads, in every form that the application's `rowFromText` and
 * `rowFromJson` take. `member`: of a jsonb object, the one that holds the ciphertext. No bytes for an empty value, or the
 * `null` of JSON that some applications write for no value: no one encrypted these.
 */
export function rowOf(stored: string | Uint8Array, storage: Storage, member?: string): Uint8Array {
  if (typeof stored !== 'string') return stored;
  if (storage === 'bytea') return Buffer.from(stored.slice(2), 'hex');
  if (storage === 'text') return rowFromText(stored);
  if (stored === 'null') return new Uint8Array();
  try {
    return rowFromJson(stored, member);
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    // Any other JSON: nothing opens it, and it is listed.
    return Buffer.from(stored);
  }
}

/** A ciphertext as the column stores it; in an object it replaces `memberOf` alone. */
export function asStored(row: Buffer, storage: Storage): Uint8Array {
  if (storage === 'bytea') return row;
  const base64 = row.toString('base64');
  return Buffer.from(storage === 'jsonb' ? `"${base64}"` : base64);
}

/**
 * The member of a jsonb object in whose place its new ciphertext is written; `undefined` where the whole value is
 * replaced: a string, or the object of older data that has the ciphertext between members of its own.
 */
export function memberOf(stored: string, storage: Storage, member: string | undefined): string | undefined {
  if (storage !== 'jsonb' || !stored.startsWith('{')) return undefined;
  const value: unknown = JSON.parse(stored);
  if (typeof value !== 'object' || value === null) return undefined;
  const name = member ?? DATA_MEMBER;
  return Object.hasOwn(value, name) && typeof Reflect.get(value, name) === 'string' ? name : undefined;
}

/** What a jsonb object has beside the member with its ciphertext, as JSON; no bytes for another value. */
export function besides(stored: string, member: string | undefined): Buffer {
  if (!stored.startsWith('{') && !stored.startsWith('"')) return Buffer.alloc(0);
  const text = innermost(stored);
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof value !== 'object' || value === null) return Buffer.alloc(0);
  const fields: Record<string, unknown> = { ...value };
  // The object of older data has its ciphertext in a member of that name.
  const name = typeof fields[member ?? DATA_MEMBER] === 'string' ? (member ?? DATA_MEMBER) : 'ciphertext';
  const row = fields[name];
  Reflect.deleteProperty(fields, name);
  // JSON in a string may have a member twice, of which a parser sees the last.
  const isTwice = text !== stored && typeof row === 'string' && hasMore(text ?? '', { ...fields, [name]: row });
  return Buffer.from(isTwice ? (text ?? '').replaceAll(row, '') : JSON.stringify(fields));
}

/** Whether a text of JSON has more strings than the value that it was parsed to: members that others replaced. */
function hasMore(text: string, value: unknown): boolean {
  return quotes(text) > quotes(JSON.stringify(value));
}

function quotes(text: string): number {
  return text.replaceAll(/\\./g, '').split('"').length;
}

/** A string in JSON may hold JSON again, as `rowFromJson` reads it: the text of the last one. */
function innermost(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? (/^[ \t\r\n]*["{]/.test(value) ? innermost(value) : undefined) : text;
  } catch {
    return undefined;
  }
}
