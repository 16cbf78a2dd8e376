import type { RingKeys } from '../../postgres/all-keys.ts';
import { capitalized, keyList } from '../terminal/table.ts';

/** Rows that only they open count as opened by no key. */
export interface UnreadKeys {
  /** 0: a key without a number. */
  readonly numbers: readonly number[];
  readonly why: string;
}

/** One entry for each cause. */
export function unreadKeys({ ring, unread }: Pick<RingKeys, 'ring' | 'unread'>): readonly UnreadKeys[] {
  const numbersOf = new Map<string, number[]>();
  for (const [versionId, { message }] of unread) {
    // A message names the version, and the cause is the same for all.
    const why = message.replaceAll(versionId, 'VERSION');
    numbersOf.set(why, [...(numbersOf.get(why) ?? []), ring.numberOf.get(versionId) ?? 0]);
  }
  return [...numbersOf].map(([why, numbers]) => ({ numbers, why }));
}

/** `Key 1 and key 2 could not be read: …`. */
export function unreadLine({ numbers, why }: UnreadKeys): string {
  const numbered = numbers.filter((number) => number !== 0);
  const names = [
    ...(numbered.length === 0 ? [] : [keyList(numbered)]),
    ...(numbered.length === numbers.length ? [] : ['a version in use without a number']),
  ];
  return `${capitalized(names.join(' and '))} could not be read, so no row opens with ${numbers.length === 1 ? 'it' : 'them'}: ${why}`;
}
