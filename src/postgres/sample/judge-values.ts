import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES, withoutStacks } from '../../format/ciphertext.ts';
import { DATA_MEMBER } from '../../format/row-from-json.ts';
import { rowFromText } from '../../format/row-from-text.ts';
import { readVarint } from '../../format/varint.ts';
import { openWithAnyKey } from '../attribution.ts';
import type { FoundColumn } from './found-column.ts';
import type { OpeningKeys } from '../known-keys.ts';
import { nestedKeys, runsIn } from '../nested-ciphertext.ts';
import { rowOf } from '../stored-value.ts';
import type { Candidate } from './candidates.ts';
import type { SampledValue } from './read-sample.ts';

/** Where in a column ciphertexts are: in its values, in a member of its objects, or anywhere inside its values. */
interface Place {
  readonly member?: string;
  readonly isInside?: boolean;
  sampled: number;
  readonly openers: number[];
  readonly alike: number[];
}

/** The column itself, those members of its objects, or the insides of its values, that look encrypted. */
export function foundIn(
  candidate: Candidate,
  values: readonly SampledValue[],
  keys: OpeningKeys,
): readonly FoundColumn[] {
  const places = new Map<string, Place>();
  const placeOf = (member: string | undefined, isInside: boolean): Place => {
    const name = JSON.stringify([member, isInside]);
    const place = places.get(name) ?? {
      ...(member === undefined ? {} : { member }),
      isInside,
      sampled: 0,
      openers: [],
      alike: [],
    };
    places.set(name, place);
    return place;
  };
  withoutStacks(() => {
    for (const value of values) {
      const openers = new Set<number>();
      let isAlike = false;
      for (const [member, bytes] of rowsOf(candidate, value)) {
        if (bytes.length === 0) continue;
        const place = placeOf(member, false);
        place.sampled += 1;
        const opener = openerOf(bytes, value.contexts, keys);
        const alike = alikeNumber(bytes, keys);
        isAlike ||= opener !== undefined || alike !== undefined;
        if (opener !== undefined) {
          openers.add(opener);
          place.openers.push(opener);
        }
        if (alike !== undefined) place.alike.push(alike);
      }
      const inside = placeOf(undefined, true);
      inside.sampled += 1;
      const others = [...insideOf(candidate, value, keys)].filter((number) => !openers.has(number));
      inside.openers.push(...others);
      const alike = isAlike ? undefined : alikeInside(candidate, value, keys);
      if (alike !== undefined) inside.alike.push(alike);
    }
  });
  return [...places.values()].flatMap((place) => asFound(candidate, place));
}

function asFound(candidate: Candidate, { member, isInside, sampled, openers, alike }: Place): readonly FoundColumn[] {
  const opened = Math.min(sampled, openers.length);
  if (opened === 0 && (alike.length === 0 || 2 * alike.length < sampled)) return [];
  const { table, tableId, column, columnNumber, isMaterialized, isGenerated, kind, storage } = candidate;
  const why =
    isMaterialized || isGenerated || storage === 'other' ? kind : isInside === true ? 'inside its values' : undefined;
  return [
    {
      table,
      tableId,
      column,
      columnNumber,
      ...(member === undefined ? {} : { member }),
      ...(why === undefined ? {} : { uncountable: why }),
      sampled,
      opened,
      alike: alike.length,
      isGenerated,
      numbers: [...new Set(openers)],
      alikeNumbers: [...new Set(alike)],
    },
  ];
}

/** The rows that a value may be, by the member that they are in. */
function rowsOf(
  { storage }: Candidate,
  { text }: SampledValue,
): readonly (readonly [string | undefined, Uint8Array])[] {
  if (storage === 'other') return [];
  return storage === 'jsonb' ? rowsInJson(text) : [[undefined, rowOf(text, storage)]];
}

/** The keys that open something inside a value: text around it, elements of arrays, fields, members of members. */
function insideOf({ storage }: Candidate, { text, contexts }: SampledValue, keys: OpeningKeys): ReadonlySet<number> {
  const bytes = storage === 'bytea' ? rowOf(text, storage) : Buffer.from(text);
  return nestedKeys(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), contexts, keys);
}

/** The number that base64 or hexadecimal in a text begins with, where it decodes to bytes that look like a ciphertext. */
function alikeInside({ storage }: Candidate, { text }: SampledValue, keys: OpeningKeys): number | undefined {
  if (storage === 'bytea') return undefined;
  for (const bytes of runsIn(text)) {
    const number = alikeNumber(bytes, keys);
    if (number !== undefined) return number;
  }
  return undefined;
}

/** The rows that a jsonb may hold, each by the member it is in; by no member for a string, or an object of older data. */
function rowsInJson(text: string): readonly (readonly [string | undefined, Uint8Array])[] {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return typeof value === 'string' ? [[undefined, rowFromText(value)]] : [];
  }
  const members = Object.entries(value).flatMap(([name, member]: [string, unknown]) =>
    typeof member === 'string' && member.length > MIN_CIPHERTEXT_BYTES
      ? [[name === DATA_MEMBER ? undefined : name, rowFromText(member)] as const]
      : [],
  );
  // `data` is taken by itself, and objects of older data have it between others.
  return members.some(([name]) => name === undefined) ? members : [...members, [undefined, rowOf(text, 'jsonb')]];
}

function openerOf(bytes: Uint8Array, contexts: readonly string[], keys: OpeningKeys): number | undefined {
  if (bytes.length < MIN_CIPHERTEXT_BYTES) return undefined;
  return openWithAnyKey({ bytes, number: readVarint(bytes), contexts }, keys)?.number;
}

/** The number of the ring that bytes begin with, where they are no text; `undefined` otherwise. */
function alikeNumber(bytes: Uint8Array, keys: OpeningKeys): number | undefined {
  const number = readVarint(bytes);
  const highest = Math.max(0, ...keys.ring.versionOf.keys());
  const isOne = bytes.length >= MIN_CIPHERTEXT_BYTES && number !== undefined && number <= highest && !isUtf8(bytes);
  return isOne ? number : undefined;
}
