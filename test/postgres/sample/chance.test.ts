import { isByChance, type Beginnings } from '../../../src/postgres/sample/chance.ts';
import { toKeyNumber, type KeyNumber } from '../../../src/format/key-number.ts';

const RINGS = [1, 3, 12, 31];
const PLACES = 18;

/** Logarithms of the probabilities that of `trials` 0, 1, … begin with one of so many numbers. */
function logsOf(trials: number, share: number): readonly number[] {
  let choose = 0;
  return Array.from({ length: trials + 1 }, (_, hits) => {
    if (hits > 0) choose += Math.log((trials - hits + 1) / hits);
    return choose + hits * Math.log(share) + (trials - hits) * Math.log1p(-share);
  });
}

/** The exact probability that at least `least` of the values begin so. */
function tailOf(trials: number, least: number, share: number): number {
  return logsOf(trials, share)
    .slice(least)
    .reduce((total, log) => total + Math.exp(log), 0);
}

function hitsOf(numbers: readonly (KeyNumber | 0)[]): ReadonlyMap<KeyNumber | 0, number> {
  const hits = new Map<KeyNumber | 0, number>();
  for (const number of numbers) hits.set(number, (hits.get(number) ?? 0) + 1);
  return hits;
}

/** By halves: more of the same hits are no likelier by chance. */
function leastOf(beginnings: Omit<Beginnings, 'hits'>, numbersOf: (hits: number) => (KeyNumber | 0)[]): number {
  const isEnough = (hits: number) => !isByChance({ ...beginnings, hits: hitsOf(numbersOf(hits)) });
  let [low, high] = [0, beginnings.random];
  if (!isEnough(high)) return Infinity;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

const one = (hits: number) => Array.from({ length: hits }, () => toKeyNumber(1));

describe.each(RINGS)('in a ring up to number %i', (highest) => {
  const numberAt = (at: number) => (at % (highest + 1) === 0 ? 0 : toKeyNumber(at % (highest + 1)));
  const mixed = (hits: number) => Array.from({ length: hits }, (_, at) => numberAt(at));

  it.each([1, 2, 5, 10, 66, 1000, 20_000])(
    'a column of %i random values is taken for ciphertexts less than once in a billion',
    (random) => {
      const beginnings = { random, highest, places: PLACES };
      const [any, single] = [leastOf(beginnings, mixed), leastOf(beginnings, one)];
      const ofAny = tailOf(random, any, (highest + 1) / 256);
      const ofSingle = (highest + 1) * tailOf(random, single, 1 / 256);
      expect(PLACES * (ofAny + ofSingle)).toBeLessThan(1e-9);
    },
  );

  it('a column whose ciphertexts are all under one number is found from six values on', () => {
    for (const random of [6, 10, 100, 1000]) {
      expect(isByChance({ random, highest, places: PLACES, hits: hitsOf(one(random)) })).toBe(false);
    }
  });
});

it('few ciphertexts among many other values are found', () => {
  expect(leastOf({ random: 70, highest: 3, places: 1 }, one)).toBeLessThanOrEqual(10);
  expect(leastOf({ random: 1000, highest: 3, places: 1 }, one)).toBeLessThanOrEqual(27);
});

it.each([
  [1, 5, 9, 17, 24],
  [3, 7, 14, 30, 49],
  [10, 9, 20, 51, 93],
  [40, 14, 36, 118, 243],
  [127, 37, 62, 267, 606],
])(
  'in a ring up to number %i, ciphertexts under all numbers are noticed as ADR 34 says',
  (highest, alone, ...among) => {
    const underAll = (hits: number) => Array.from({ length: hits }, (_, at) => toKeyNumber(1 + (at % highest)));
    const isNoticed = (hits: number) =>
      !isByChance({ random: hits, highest, places: PLACES, hits: hitsOf(underAll(hits)) });
    expect([isNoticed(alone - 1), isNoticed(alone)]).toEqual([false, true]);
    expect([70, 400, 1000].map((random) => leastOf({ random, highest, places: 1 }, underAll))).toEqual(among);
  },
);

it('numbers of several bytes are rarer by chance, and looked at in a ring of any size', () => {
  const numbers = Array.from({ length: 7 }, () => toKeyNumber(300));
  expect(isByChance({ random: 1000, highest: 400, places: 1, hits: hitsOf(numbers) })).toBe(false);
  expect(isByChance({ random: 1000, highest: 999_999_999, places: 1, hits: hitsOf(one(1)) })).toBe(true);
});
