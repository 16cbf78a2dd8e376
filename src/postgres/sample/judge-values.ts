import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES, withoutStacks } from '../../format/ciphertext.ts';
import { DATA_MEMBER } from '../../format/row-from-json.ts';
import { rowFromText } from '../../format/row-from-text.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import { readVarint } from '../../format/varint.ts';
import { openWithAnyKey } from '../attribution.ts';
import { isByChance, type Beginnings } from './chance.ts';
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
  /** Whether other characters of base64 are before them. */
  readonly isGlued?: boolean;
  sampled: number;
  /** How many of them have something that is long enough and not text, and how many such runs of base64 they have. */
  candidates: number;
  random: number;
  readonly openers: number[];
  readonly alike: (KeyNumber | 0)[];
}

/** The column itself, those members of its objects, or the insides of its values, that look encrypted. */
export function foundIn(
  candidate: Candidate,
  values: readonly SampledValue[],
  keys: OpeningKeys,
): readonly FoundColumn[] {
  const highest = Math.max(0, ...keys.ring.versionOf.keys());
  const places = new Map<string | undefined, Place>();
  const placeOf = (member: string | undefined): Place => {
    const place = places.get(member) ?? {
      ...(member === undefined ? {} : { member }),
      ...{ sampled: 0, candidates: 0, random: 0, openers: [], alike: [] },
    };
    places.set(member, place);
    return place;
  };
  // By the characters that are glued before a ciphertext: a prefix is as long in each value.
  const insides: Place[] = [];
  const insideAt = (start: number): Place =>
    (insides[start] ??= {
      isInside: true,
      isGlued: start > 0,
      sampled: values.length,
      candidates: 0,
      random: 0,
      openers: [],
      alike: [],
    });
  withoutStacks(() => {
    for (const value of values) {
      const openers = new Set<number>();
      let isAlike = false;
      for (const [member, bytes] of rowsOf(candidate, value)) {
        if (bytes.length === 0) continue;
        const place = placeOf(member);
        place.sampled += 1;
        const opener = openerOf(bytes, value.contexts, keys);
        if (mayBeCiphertext(bytes)) {
          place.candidates += 1;
          place.random += 1;
        }
        const alike = alikeNumber(bytes, highest);
        isAlike ||= opener !== undefined || alike !== undefined;
        if (opener !== undefined) {
          openers.add(opener);
          place.openers.push(opener);
        }
        if (alike !== undefined) place.alike.push(alike);
      }
      const others = [...insideOf(candidate, value, keys)].filter((number) => !openers.has(number));
      insideAt(0).openers.push(...others);
      if (!isAlike && candidate.storage !== 'bytea') addInsides(value.text, highest, insideAt);
    }
  });
  const count = places.size + insides.length;
  const looksEncrypted = (place: Place) => isEncrypted(place, { highest, places: count });
  const [inside] = insides.filter(looksEncrypted).sort((one, other) => weight(other) - weight(one));
  return [...places.values(), ...(inside === undefined ? [] : [inside])]
    .filter(looksEncrypted)
    .map((place) => asFound(candidate, place));
}

/** Adds, for each number of characters before it, the number that base64 or hexadecimal in a text begins with. */
function addInsides(text: string, highest: number, insideAt: (start: number) => Place): void {
  const tried = new Set<Place>();
  const alike = new Map<Place, KeyNumber | 0>();
  for (const { start, bytes } of runsIn(text)) {
    if (!mayBeCiphertext(bytes)) continue;
    const place = insideAt(start);
    const number = alikeNumber(bytes, highest);
    place.random += 1;
    tried.add(place);
    if (number !== undefined && !alike.has(place)) alike.set(place, number);
  }
  for (const place of tried) place.candidates += 1;
  for (const [place, number] of alike) place.alike.push(number);
}

/**
 * Whether a key opens something; every value that is not text begins with a number of the ring, and these are half of all
 * at least; or more do than by chance: in a column that is encrypted in part, or kept in a context that is not known, some
 * do. A few values may all begin so by chance: that is not asked of what is behind other characters, where there are many
 * places.
 */
function isEncrypted(
  { isGlued, sampled, candidates, random, openers, alike }: Place,
  ring: Pick<Beginnings, 'highest' | 'places'>,
): boolean {
  if (openers.length > 0) return true;
  if (isGlued !== true && alike.length > 0 && alike.length === candidates && 2 * candidates >= sampled) return true;
  return !isByChance({ ...ring, random, numbers: alike });
}

function weight({ openers, alike }: Place): number {
  return openers.length > 0 ? Infinity : alike.length;
}

function asFound(candidate: Candidate, { member, isInside, sampled, openers, alike }: Place): FoundColumn {
  const { table, tableId, column, columnNumber, isMaterialized, isGenerated, kind, storage } = candidate;
  const why =
    isMaterialized || isGenerated || storage === 'other' ? kind : isInside === true ? 'inside its values' : undefined;
  return {
    table,
    tableId,
    column,
    columnNumber,
    ...(member === undefined ? {} : { member }),
    ...(why === undefined ? {} : { uncountable: why }),
    sampled,
    opened: Math.min(sampled, openers.length),
    alike: alike.length,
    isGenerated,
    numbers: [...new Set(openers)],
    alikeNumbers: [...new Set(alike)],
  };
}

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

function mayBeCiphertext(bytes: Uint8Array): boolean {
  return bytes.length >= MIN_CIPHERTEXT_BYTES && !isUtf8(bytes);
}

function alikeNumber(bytes: Uint8Array, highest: number): KeyNumber | 0 | undefined {
  const number = readVarint(bytes);
  return number !== undefined && number <= highest && mayBeCiphertext(bytes) ? number : undefined;
}
