import { isKeyRotationError } from '../format/error.ts';
import { jsonMembers } from '../format/json/json-members.ts';
import { firstOfJson, innermostJson } from '../format/json/json-text.ts';
import { startsLikeJsonObject } from '../format/legacy-forms.ts';
import { memberWithCiphertext, rowFromJson } from '../format/row-from-json.ts';
import { rowFromText } from '../format/row-from-text.ts';

export type Storage = 'bytea' | 'text' | 'jsonb';

/**
 * The row in a stored value, as the bytes that the key ring reads, in every form that the application's `rowFromText` and
 * `rowFromJson` take. `member`: of a jsonb object, the one that holds the ciphertext. No bytes for an empty value, or where
 * the value or that member is the `null` of JSON, which some applications write for no value: no one encrypted these.
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
    // Nothing opens any other JSON, and it is listed. An object without the member, too: the list may misspell its name.
    return hasNullAs(stored, member) ? new Uint8Array() : Buffer.from(stored);
  }
}

function hasNullAs(stored: string, member: string | undefined): boolean {
  if (!stored.startsWith('{')) return false;
  const fields = fieldsOf(stored);
  return fields[memberWithCiphertext(fields, member)] === null;
}

export function asStored(row: Buffer, storage: Storage): Uint8Array {
  if (storage === 'bytea') return row;
  const base64 = row.toString('base64');
  return Buffer.from(storage === 'jsonb' ? `"${base64}"` : base64);
}

/** The jsonb member that is replaced; `undefined`: the whole value, a string or an object of older data alone. */
export function memberOf(stored: string, storage: Storage, member: string | undefined): string | undefined {
  return replacedMember(stored, storage, member)?.name;
}

function replacedMember(stored: string | Uint8Array, storage: Storage, member: string | undefined) {
  if (storage !== 'jsonb' || typeof stored !== 'string' || !stored.startsWith('{')) return undefined;
  const fields = fieldsOf(stored);
  const name = memberWithCiphertext(fields, member);
  const value = fields[name];
  return typeof value !== 'string' || isEnvelope(Object.keys(fields), name) ? undefined : { name, value };
}

/** Whether replacing the ciphertext loses something: members beside those of the ciphertext, or one of them twice. */
export function losesMembers(stored: string | Uint8Array, storage: Storage, member: string | undefined): boolean {
  const replaced = replacedMember(stored, storage, member);
  if (replaced !== undefined) return losesMembersOf(objectInText(replaced.value));
  const { text, isOfRow } = objectOf(stored, storage);
  return losesMembersOf(text, isOfRow ? undefined : member);
}

/** The string of a member may be JSON with members again, or base64 of it. */
function losesMembersOf(text: string | undefined, member?: string): boolean {
  if (text === undefined) return false;
  const fields = fieldsOf(text);
  const name = memberWithCiphertext(fields, member);
  const names = jsonMembers(text).map((each) => each.name);
  const isAlone = isEnvelope(names, name) || (names.length === 1 && names[0] === name);
  const value = fields[name];
  return !isAlone || (typeof value === 'string' && losesMembersOf(objectInText(value)));
}

function isEnvelope(names: readonly string[], name: string): boolean {
  return name === 'ciphertext' && names.length === 3 && ENVELOPE.every((own) => names.includes(own));
}

const ENVELOPE = ['version', 'ciphertext', 'algorithm'];

/**
 * What a JSON object has beside the ciphertexts in these members, as JSON; an empty text for another value. In place of a
 * ciphertext is what the string of its member has beside it. A JSON text may have a member twice, of which a parser sees
 * the last. Throws `INVALID_CIPHERTEXT` for JSON in JSON that is too deep.
 */
export function besides(
  stored: string | Uint8Array,
  storage: Storage,
  members: readonly (string | undefined)[],
): string {
  const { text, isOfRow } = objectOf(stored, storage);
  const rest = besidesIn(text, isOfRow ? [undefined] : members);
  // A string of jsonb stays one: it has no members that could be listed.
  return isOfRow && storage === 'jsonb' && rest !== '' ? JSON.stringify(rest) : rest;
}

function besidesIn(text: string | undefined, members: readonly (string | undefined)[]): string {
  if (text === undefined) return '';
  const fields = fieldsOf(text);
  const names = new Set(members.map((one) => memberWithCiphertext(fields, one)));
  let rest = '';
  let copied = 0;
  for (const { name, text: value, start } of jsonMembers(text)) {
    if (!names.has(name) || !value.startsWith('"')) continue;
    const string = String(JSON.parse(value));
    if (string !== fields[name]) continue;
    rest += text.slice(copied, start) + JSON.stringify(besidesIn(objectInText(string), [undefined]));
    copied = start + value.length;
  }
  return rest + text.slice(copied);
}

interface FoundObject {
  readonly text: string | undefined;
  /** Whether it is the row of older data, and not an object of jsonb of which a member is the row. */
  readonly isOfRow: boolean;
}

/** The JSON object that a value is or holds, as `rowFromJson` and readers of older data find it. */
function objectOf(stored: string | Uint8Array, storage: Storage): FoundObject {
  if (storage === 'bytea') return { text: objectInBytes(rowOf(stored, storage)), isOfRow: true };
  if (typeof stored !== 'string') return { text: undefined, isOfRow: true };
  if (storage === 'text') return { text: objectInText(stored), isOfRow: true };
  const { text, value } = innermostJson(stored);
  return typeof value === 'string' ? { text: objectInText(value), isOfRow: true } : { text, isOfRow: false };
}

/** The JSON object in a text that `rowFromText` reads. Other base64 is decoded for few rows, and only its beginning. */
function objectInText(text: string): string | undefined {
  if (!BEFORE_OBJECT.includes(text.charAt(0))) return undefined;
  if (firstOfJson(text) !== '{') {
    const beginning = Buffer.from(text.slice(0, 40), 'base64');
    if (!startsLikeJsonObject(beginning) && beginning.toString('latin1').trim() !== '') return undefined;
  }
  return objectInBytes(rowFromText(text));
}

/** White space of JSON, a brace, and the first characters of these in base64. */
const BEFORE_OBJECT = ' \t\r\n{ICDe';

function objectInBytes(bytes: Uint8Array): string | undefined {
  if (!startsLikeJsonObject(bytes)) return undefined;
  const { text, value } = innermostJson(Buffer.from(bytes).toString());
  return typeof value === 'string' ? undefined : text;
}

function fieldsOf(text: string): Partial<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  const own = typeof value === 'object' && !Array.isArray(value) ? value : {};
  return Object.assign(Object.create(null), own) as Partial<Record<string, unknown>>;
}
