import type { Column } from './catalog/column.ts';
import type { ScannedRow } from './row-reader.ts';
import {
  attribution,
  needsChange,
  TOO_COMPLEX,
  unlessFailing,
  type LeftRow,
  type RowAttribution,
} from './job/plan-rows.ts';
import type { OpeningKeys, TargetKey } from './known-keys.ts';
import { nestedKeys } from './nested/nested-ciphertext.ts';
import { besidesOf, ValueJudge, type JudgedColumn, type Places } from './sample/judge-values.ts';
import type { FoundColumn } from './sample/found-column.ts';
import { openShort } from './short-gcm.ts';
import { MIN_CIPHERTEXT_BYTES } from '../format/ciphertext.ts';
import { besides } from './stored-value.ts';

/** Unreadable rows that a census lists by key; the number of all of them is exact. */
const MOST_LISTED = 10_000;

export interface Counts {
  rows: number;
  nulls: number;
  empty: number;
  unreadable: number;
  /** Other rows in which ciphertexts could not be looked for, each in a class of its own, too. */
  unsearched: number;
  /** 0 where there is no key to re-encrypt rows under. */
  toReencrypt: number;
  readonly numbered: Map<number, number>;
  readonly unnumbered: Map<number, number>;
  readonly legacy: Map<number, number>;
  readonly nested: Map<number, number>;
  readonly listed: LeftRow[];
  /** What is beside the members that are counted. */
  readonly besides: Places;
}

/** `members`: those that are counted of its values. Default: its own. */
type TalliedColumn = Pick<Column, 'spec' | 'storage'> & Partial<Pick<Column, 'members'>>;

interface Look {
  readonly found: RowAttribution;
  /** The keys that open something inside it, as far as that can be looked through. */
  readonly inner: Iterable<number>;
  readonly isSearched: boolean;
  readonly isToReencrypt: boolean;
}

export class Tally {
  readonly counts: Counts;
  readonly #column: TalliedColumn;
  readonly #keys: OpeningKeys;
  readonly #target: TargetKey | undefined;
  readonly #judge: ValueJudge;

  constructor(column: TalliedColumn, keys: OpeningKeys) {
    this.#column = column;
    this.#keys = keys;
    this.#target = keys.target;
    this.#judge = new ValueJudge(besidesOf(column).storage, keys);
    this.counts = {
      rows: 0,
      nulls: 0,
      empty: 0,
      unreadable: 0,
      unsearched: 0,
      toReencrypt: 0,
      numbered: new Map(),
      unnumbered: new Map(),
      legacy: new Map(),
      nested: new Map(),
      listed: [],
      besides: this.#judge.places,
    };
  }

  add(row: ScannedRow): void {
    const { counts } = this;
    counts.rows += 1;
    if (row.stored === null) {
      counts.nulls += 1;
      return;
    }
    const { found, inner, isSearched, isToReencrypt } = this.#lookAt(row, row.stored);
    if (found.kind === 'empty') counts.empty += 1;
    else if (found.kind === 'unreadable') counts.unreadable += 1;
    else addTo(counts[found.kind], found.number, 1);
    if (!isSearched && found.kind !== 'unreadable') counts.unsearched += 1;
    const code = found.kind === 'unreadable' ? found.code : !isSearched ? TOO_COMPLEX.code : undefined;
    if (code !== undefined && counts.listed.length < MOST_LISTED) counts.listed.push({ key: row.key, code });
    if (isToReencrypt) counts.toReencrypt += 1;
    for (const number of inner) addTo(counts.nested, number, 1);
  }

  /** Whatever is wrong with one value: it is in a class, and the others are counted. */
  #lookAt(row: ScannedRow, stored: string | Uint8Array | undefined): Look {
    const found = unlessFailing(() => attribution(this.#column, row, this.#keys, openShort)) ?? TOO_COMPLEX;
    const target = this.#target;
    const isToReencrypt = () => target !== undefined && needsChange(this.#column, row, found, target);
    const inner = new Set<number>();
    return {
      found,
      inner,
      isSearched: this.#search(row, stored, found, inner),
      isToReencrypt: unlessFailing(isToReencrypt) ?? false,
    };
  }

  /** Adds the keys that open something inside the value; returns whether all of it could be looked through. */
  #search(
    { contexts }: ScannedRow,
    stored: string | Uint8Array | undefined,
    found: RowAttribution,
    inner: Set<number>,
  ): boolean {
    const { storage, spec, members = [spec.member] } = this.#column;
    const rest = unlessFailing(() => (stored === undefined ? '' : besides(stored, storage, members)));
    const judge = (text: string) => {
      if (text.length >= MIN_CIPHERTEXT_BYTES) this.#judge.add({ text, contexts: ['', ...contexts] }, inner);
      return true;
    };
    const isRestSearched = rest !== undefined && unlessFailing(() => judge(rest)) === true;
    if (found.kind === 'empty' || found.kind === 'unreadable') return isRestSearched;
    return (
      unlessFailing(() => nestedKeys(found.plaintext, contexts, this.#keys, inner)) !== undefined && isRestSearched
    );
  }

  absorb(other: Counts): void {
    const { counts } = this;
    for (const name of ['rows', 'nulls', 'empty', 'unreadable', 'unsearched', 'toReencrypt'] as const) {
      counts[name] += other[name];
    }
    for (const name of ['numbered', 'unnumbered', 'legacy', 'nested'] as const) {
      for (const [number, rows] of other[name]) addTo(counts[name], number, rows);
    }
    this.#judge.absorb(other.besides);
    counts.listed.push(...other.listed.slice(0, MOST_LISTED - counts.listed.length));
  }

  /** Places beside the members that are counted, and whose values look encrypted. */
  besides(column: Omit<JudgedColumn, 'storage'>): readonly FoundColumn[] {
    return this.#judge.foundIn(besidesOf({ ...column, storage: this.#column.storage }));
  }

  /** The sum of all classes: each row is in exactly one. */
  get sum(): number {
    const { nulls, empty, unreadable, numbered, unnumbered, legacy } = this.counts;
    const opened = [numbered, unnumbered, legacy].flatMap((counts) => [...counts.values()]);
    return opened.reduce((sum, rows) => sum + rows, nulls + empty + unreadable);
  }
}

function addTo(counts: Map<number, number>, number: number, rows: number): void {
  counts.set(number, (counts.get(number) ?? 0) + rows);
}
