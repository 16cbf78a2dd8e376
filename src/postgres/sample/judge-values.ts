import { isUtf8 } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { MIN_CIPHERTEXT_BYTES, withoutStacks } from '../../format/ciphertext.ts';
import { DATA_MEMBER } from '../../format/row-from-json.ts';
import { rowFromText } from '../../format/row-from-text.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import { readVarint } from '../../format/varint.ts';
import { openWithAnyKey } from '../attribution.ts';
import { isByChance, sumOf, type Beginnings } from './chance.ts';
import { escapedBytes } from '../nested/escaped-bytes.ts';
import type { FoundColumn } from './found-column.ts';
import type { OpeningKeys } from '../known-keys.ts';
import { allAtOnce, nestedSearch, runsIn, withoutEscapes, type InParts } from '../nested/nested-ciphertext.ts';
import { numbersIn, percentDecoded, percentEncodedBytes } from '../nested/other-spellings.ts';
import { rowOf } from '../stored-value.ts';
import type { Candidate } from './candidates.ts';
import type { SampledValue } from './read-sample.ts';

/** Where in a column ciphertexts are: in its values, in a member of its objects, or anywhere inside its values. */
interface Place {
  sampled: number;
  /** How many of them have something that is long enough and not text, and how many such runs of base64 they have. */
  candidates: number;
  random: number;
  /** How many values each key opens, and how many begin with each number. */
  readonly openers: Map<number, number>;
  readonly alike: Map<KeyNumber | 0, number>;
}

/** By the member, and by the number of characters of base64 before a ciphertext: a prefix is as long in each value. */
export interface Places {
  readonly members: Map<string | undefined, Place>;
  readonly insides: Map<number, Place>;
}

export type JudgedColumn = Pick<
  Candidate,
  'table' | 'tableId' | 'column' | 'columnNumber' | 'storage' | 'kind' | 'isMaterialized' | 'isGenerated'
>;

/** What is judged of a listed column: JSON, in which only a jsonb has members that can be listed, too. */
export function besidesOf<Judged extends Pick<JudgedColumn, 'storage'>>(column: Judged): Judged {
  return column.storage === 'bytea' ? { ...column, storage: 'text' } : column;
}

/** Members that are judged by name: an application may have one for each row. */
const MOST_MEMBERS = 1000;

/** Milliseconds after which no further value of a column is judged. Texts of base64 lines take up to ten seconds for each MB. */
const MOST_JUDGING = 60_000;

export interface Judged {
  /** The column itself, those members of its objects, or the insides of its values, that look encrypted. */
  readonly columns: readonly FoundColumn[];
  /** Why some values were not judged, or not in whole. */
  readonly cutShort?: string;
}

/** Milliseconds of one value after which other work may be done: a session that waits must be kept alive. */
const LONGEST_PART = 50;

/** Lets other work happen between two values, and within a long one. */
export async function foundIn(
  candidate: JudgedColumn,
  values: readonly SampledValue[],
  keys: OpeningKeys,
  within = MOST_JUDGING,
): Promise<Judged> {
  const judge = new ValueJudge(candidate.storage, keys);
  const began = performance.now();
  let unsearched = 0;
  for (const [at, value] of values.entries()) {
    const parts = judge.adding(value);
    for (let isWhole = false; !isWhole;) {
      if (performance.now() - began > within) {
        const cutShort = `only ${at} of ${values.length} sampled values of ${candidate.column} could be judged in ${within / 1000} s`;
        return { columns: judge.foundIn(candidate), cutShort };
      }
      const until = performance.now() + LONGEST_PART;
      try {
        isWhole = withoutStacks(() => isDoneBefore(until, parts));
      } catch {
        isWhole = true;
        unsearched += 1;
      }
      await setImmediate();
    }
  }
  const columns = judge.foundIn(candidate);
  if (unsearched === 0) return { columns };
  return {
    columns,
    cutShort: `${unsearched} of ${values.length} sampled values of ${candidate.column} cannot be looked through`,
  };
}

function isDoneBefore(until: number, parts: InParts<unknown>): boolean {
  while (parts.next().done !== true) if (performance.now() > until) return false;
  return true;
}

/** Looks at the values of one column, in bounded memory. */
export class ValueJudge {
  readonly places: Places = { members: new Map(), insides: new Map() };
  readonly #storage: Candidate['storage'];
  readonly #keys: OpeningKeys;
  readonly #highest: number;

  constructor(storage: Candidate['storage'], keys: OpeningKeys) {
    this.#storage = storage;
    this.#keys = keys;
    this.#highest = Math.max(0, ...keys.ring.versionOf.keys());
  }

  /** `found`: gets the keys that open something inside the value, also where the rest of it cannot be looked through. */
  add(value: SampledValue, found: Set<number>): void {
    allAtOnce(this.adding(value, found));
  }

  *adding(value: SampledValue, all = new Set<number>()): InParts<void> {
    try {
      yield* insideOf(this.#storage, value, this.#keys, all);
    } finally {
      yield* this.#addOwn(value, all);
    }
  }

  *#addOwn(value: SampledValue, all: Set<number>): InParts<void> {
    const { members } = this.places;
    const openers = new Set<number>();
    let isAlike = false;
    for (const [member, bytes] of rowsOf(this.#storage, value)) {
      if (bytes.length === 0 || (members.size >= MOST_MEMBERS && !members.has(member))) continue;
      const place = placeOf(members, member);
      place.sampled += 1;
      // What opens as a member of JSON also opens inside it.
      const mayOpen = this.#storage !== 'jsonb' || all.size > 0;
      const opener = mayOpen ? openerOf(bytes, value.contexts, this.#keys) : undefined;
      if (mayBeCiphertext(bytes)) {
        place.candidates += 1;
        place.random += 1;
      }
      const alike = alikeNumber(bytes, this.#highest);
      isAlike ||= opener !== undefined || alike !== undefined;
      if (opener !== undefined) {
        openers.add(opener);
        addTo(place.openers, opener);
      }
      if (alike !== undefined) addTo(place.alike, alike);
    }
    const inside = placeOf(this.places.insides, 0);
    inside.sampled += 1;
    for (const number of all) if (!openers.has(number)) addTo(inside.openers, number);
    if (!isAlike && this.#storage !== 'bytea') yield* this.#addInsides(value.text);
    for (const number of openers) all.add(number);
  }

  absorb({ members, insides }: Places): void {
    for (const [member, place] of members) absorbPlace(placeOf(this.places.members, member), place);
    for (const [start, place] of insides) absorbPlace(placeOf(this.places.insides, start), place);
  }

  foundIn(column: JudgedColumn): readonly FoundColumn[] {
    const { members, insides } = this.places;
    const sampled = insides.get(0)?.sampled ?? 0;
    const ring = { highest: this.#highest, places: members.size + insides.size };
    const [inside] = [...insides]
      .map(([start, place]) => ({ start, place: { ...place, sampled } }))
      .filter(({ start, place }) => isEncrypted(place, start > 0, ring))
      .sort((one, other) => weight(other.place) - weight(one.place));
    return [
      ...[...members]
        .filter(([, place]) => isEncrypted(place, false, ring))
        .map(([member, place]) => asFound(column, place, { member })),
      ...(inside === undefined ? [] : [asFound(column, inside.place, { isInside: true })]),
    ];
  }

  /** Adds, for each number of characters before it, the number that what a text spells begins with. */
  *#addInsides(text: string): InParts<void> {
    const tried = new Set<Place>();
    const alike = new Map<Place, KeyNumber | 0>();
    for (const { start, bytes } of spelledIn(text)) {
      yield undefined;
      if (!mayBeCiphertext(bytes)) continue;
      const place = placeOf(this.places.insides, start);
      const number = alikeNumber(bytes, this.#highest);
      place.random += 1;
      tried.add(place);
      if (number !== undefined && !alike.has(place)) alike.set(place, number);
    }
    for (const place of tried) place.candidates += 1;
    for (const [place, number] of alike) addTo(place.alike, number);
  }
}

function* spelledIn(text: string): ReturnType<typeof runsIn> {
  const plain = percentDecoded(text);
  yield* runsIn(plain);
  for (const bytes of bytesIn(text, plain)) if (isSpread(bytes)) yield { start: 0, bytes };
}

function* bytesIn(encoded: string, text: string): Generator<Buffer> {
  yield* percentEncodedBytes(encoded);
  if (text !== encoded) yield* percentEncodedBytes(text);
  yield* numbersIn(text);
  yield* escapedBytes(text);
  // A row as text in a string of JSON.
  if (text.includes('\\')) for (const inner of withoutEscapes(text)) yield* escapedBytes(inner);
}

/** Nearly every ciphertext has bytes of many values, low and high; counts, sizes and pixels seldom do. */
function isSpread(bytes: Buffer): boolean {
  const seen = bytes.subarray(0, 64);
  const high = seen.filter((byte) => byte >= 128).length;
  return 4 * new Set(seen).size >= 3 * seen.length && 8 * high >= seen.length && 8 * high <= 7 * seen.length;
}

function placeOf<Name>(places: Map<Name, Place>, name: Name): Place {
  const place = places.get(name) ?? { sampled: 0, candidates: 0, random: 0, openers: new Map(), alike: new Map() };
  places.set(name, place);
  return place;
}

function absorbPlace(place: Place, other: Place): void {
  for (const name of ['sampled', 'candidates', 'random'] as const) place[name] += other[name];
  for (const [number, values] of other.openers) addTo(place.openers, number, values);
  for (const [number, values] of other.alike) addTo(place.alike, number, values);
}

function addTo<Name>(counts: Map<Name, number>, name: Name, more = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + more);
}

/**
 * Whether a key opens something; every value that is not text begins with a number of the ring; or more do than by chance:
 * in a column that is encrypted in part, or kept in a context that is not known, some do. A few values may all begin so by
 * chance: that is not asked of what is behind other characters (`isGlued`), where there are many places.
 */
function isEncrypted(
  { candidates, random, openers, alike }: Place,
  isGlued: boolean,
  ring: Pick<Beginnings, 'highest' | 'places'>,
): boolean {
  if (openers.size > 0) return true;
  const values = sumOf(alike);
  if (!isGlued && values > 0 && values === candidates) return true;
  return !isByChance({ ...ring, random, hits: alike });
}

function weight({ openers, alike }: Place): number {
  return openers.size > 0 ? Infinity : sumOf(alike);
}

function asFound(
  { table, tableId, column, columnNumber, isMaterialized, isGenerated, kind, storage }: JudgedColumn,
  { sampled, openers, alike }: Place,
  { member, isInside = false }: { readonly member?: string | undefined; readonly isInside?: boolean },
): FoundColumn {
  const why = isMaterialized || isGenerated || storage === 'other' ? kind : isInside ? 'inside its values' : undefined;
  return {
    table,
    tableId,
    column,
    columnNumber,
    ...(member === undefined ? {} : { member }),
    ...(why === undefined ? {} : { uncountable: why }),
    sampled,
    opened: Math.min(sampled, sumOf(openers)),
    alike: sumOf(alike),
    isGenerated,
    numbers: [...openers.keys()],
    alikeNumbers: [...alike.keys()],
  };
}

function rowsOf(
  storage: Candidate['storage'],
  { text }: SampledValue,
): readonly (readonly [string | undefined, Uint8Array])[] {
  if (storage === 'other') return [];
  return storage === 'jsonb' ? rowsInJson(text) : [[undefined, rowOf(text, storage)]];
}

/** Adds the keys that open something inside a value: text around it, elements of arrays, fields, members of members. */
function insideOf(
  storage: Candidate['storage'],
  { text, contexts }: SampledValue,
  keys: OpeningKeys,
  found: Set<number>,
): InParts<void> {
  const bytes = storage === 'bytea' ? rowOf(text, storage) : Buffer.from(text);
  return nestedSearch(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), contexts, keys, found);
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
  return bytes.length >= MIN_CIPHERTEXT_BYTES && !isUtf8(bytes) && !areWords(bytes);
}

/** Bytes of which the base64 shows whether they are words. */
const SPELLED = 48;

const CLASSES = [/[A-Z]/, /[a-z]/, /[0-9]/];
const CLASS_OF = Uint8Array.from({ length: 128 }, (_, code) =>
  CLASSES.findIndex((one) => one.test(String.fromCharCode(code))),
);

/**
 * Whether these are names and paths that were taken for base64, such as `AccountSettingsControllerImplementation`. Two in
 * three characters of base64 are of another class than the one before (capitals, small letters, digits, signs), and at
 * most one in three of words. Of ciphertexts of 28 bytes one in 2,000 looks so, of those of 48 bytes one in 100,000.
 */
function areWords(bytes: Uint8Array): boolean {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(SPELLED, bytes.length)).toString('base64');
  const last = Math.ceil((4 * Math.min(SPELLED, bytes.length)) / 3) - 1;
  let changes = 0;
  for (let at = 0; at < last; at += 1) {
    if (CLASS_OF[base64.charCodeAt(at)] !== CLASS_OF[base64.charCodeAt(at + 1)]) changes += 1;
  }
  return 3 * changes <= last;
}

function alikeNumber(bytes: Uint8Array, highest: number): KeyNumber | 0 | undefined {
  const number = readVarint(bytes);
  return number !== undefined && number <= highest && mayBeCiphertext(bytes) ? number : undefined;
}
