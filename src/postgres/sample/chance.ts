import { varintLength } from '../../format/varint.ts';
import { MAX_KEY_NUMBER, type KeyNumber } from '../../format/key-number.ts';

/** How often a column of random values may be taken for one of ciphertexts. */
const MOST_CHANCE = 1e-9;

export interface Beginnings {
  /** Values that are not text: each may begin with such a number by chance. */
  readonly random: number;
  /** How many begin with each number. */
  readonly hits: ReadonlyMap<KeyNumber | 0, number>;
  readonly highest: number;
  /** Places of the column that are judged so. */
  readonly places: number;
}

/** Most bytes of a number, and the first number that has so many more than one. */
const LENGTHS = varintLength(MAX_KEY_NUMBER as KeyNumber);
const firstOf = (length: number) => (length === 1 ? 0 : 128 ** (length - 1));

/**
 * Whether it happens in more than one of a billion columns that so many begin with numbers of the ring, or with one.
 */
export function isByChance({ random, hits, highest, places }: Beginnings): boolean {
  const lengths = Array.from({ length: LENGTHS }, (_, index) => index + 1);
  const countOf = (length: number) => Math.max(0, Math.min(highest + 1, firstOf(length + 1)) - firstOf(length));
  const ofAny = lengths.reduce((share, length) => share + countOf(length) * shareOf(length), 0);
  const most = MOST_CHANCE / places / (1 + LENGTHS);
  if (chanceOf(random, sumOf(hits), ofAny) < most) return false;
  return [...hits].every(([number, values]) => {
    const length = varintLength(number);
    return countOf(length) * chanceOf(random, values, shareOf(length)) >= most;
  });
}

export function sumOf(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function shareOf(length: number): number {
  return 256 ** -length;
}

/** An upper bound (W. Hoeffding, Probability Inequalities for Sums of Bounded Random Variables, 1963, theorem 1). */
function chanceOf(trials: number, hits: number, share: number): number {
  const found = hits / Math.max(1, trials);
  if (found <= share) return 1;
  const missed = found === 1 ? 0 : (1 - found) * Math.log((1 - found) / (1 - share));
  return Math.exp(-trials * (found * Math.log(found / share) + missed));
}
