import type { RingKeys } from '../../postgres/all-keys.ts';
import { capitalized, keyList } from '../terminal/table.ts';

/** Rows that only they open count as opened by no key. */
export interface UnreadKeys {
  /** 0: a key without a number. */
  readonly numbers: readonly number[];
  readonly why: string;
  /** Their values are not keys, so no permission helps. */
  readonly isNoKey?: true;
}

/** One entry for each cause. */
export function unreadKeys({ ring, unread }: Pick<RingKeys, 'ring' | 'unread'>): readonly UnreadKeys[] {
  const byCause = new Map<string, UnreadKeys>();
  for (const [versionId, { code, message }] of unread) {
    // A message names the version, and the cause is the same for all.
    const why = message.replaceAll(versionId, 'VERSION');
    const numbers = [...(byCause.get(why)?.numbers ?? []), ring.numberOf.get(versionId) ?? 0];
    byCause.set(why, { numbers, why, ...(code === 'INVALID_KEY_VALUE' ? { isNoKey: true } : {}) });
  }
  return [...byCause.values()];
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
