import { KeyRotationError, typeName } from './error.ts';
import { innermostJson } from './json/json-text.ts';
import { boxOfVersionedObject } from './legacy-forms.ts';
import { rowFromText } from './row-from-text.ts';

/** Older jsonb values hold the ciphertext in this member: `{"data": "v1:…"}`. */
export const DATA_MEMBER = 'data';

/** `version`, `ciphertext` and `algorithm`. */
const OLDER_MEMBERS = 3;

/**
 * The row in a cell of a json or jsonb column, as bytes for `decryptField`. `value` is what the database driver
 * returns: the parsed value, or its JSON. It is a string, or an object whose `member` (default: `data`) is one; that
 * string is read by `rowFromText`. Without a given `member`, an object with `version`, `ciphertext` and `algorithm` is
 * older data, and its `ciphertext` is the row; with one, only if it has no other members. A string may hold JSON again,
 * where an application serialised the value before its driver did. Throws `INVALID_CIPHERTEXT` for any other value.
 */
export function rowFromJson(value: unknown, member?: string): Buffer {
  const json = typeof value === 'string' ? innermostJson(value).value : value;
  if (typeof json === 'string') return rowFromText(json);
  const fields = fieldsOf(json);
  const name = memberWithCiphertext(fields, member);
  const text = fields[name];
  if (typeof text === 'string') return rowFromText(text);
  throw new KeyRotationError(
    'INVALID_CIPHERTEXT',
    `A JSON value with a ciphertext is a string, or an object whose member ${JSON.stringify(name)} is ` +
      `a string; found ${found(json, text)}. Leave NULL values out, and name the member that holds the ciphertext.`,
  );
}

/** The member that `rowFromJson` reads. An object may not have it, or no string in it. */
export function memberWithCiphertext(fields: Partial<Record<string, unknown>>, member?: string): string {
  // Beside other members, the ciphertext of older data is not that of a member with a name and a context of its own.
  const mayBeOlder = member === undefined || Object.keys(fields).length === OLDER_MEMBERS;
  return mayBeOlder && boxOfVersionedObject(fields) !== undefined ? 'ciphertext' : (member ?? DATA_MEMBER);
}

function fieldsOf(json: unknown): Partial<Record<string, unknown>> {
  // Without a prototype, `toString` is a member only if the object has it.
  return Object.assign(Object.create(null), isObject(json) ? json : {}) as Partial<Record<string, unknown>>;
}

function isObject(json: unknown): json is object {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !ArrayBuffer.isView(json);
}

function found(json: unknown, text: unknown): string {
  if (!isObject(json)) return typeName(json);
  return text === undefined ? 'an object without that member' : `an object in which it is ${typeName(text)}`;
}
