import type { Tag } from '@aws-sdk/client-secrets-manager';
import { MAX_TAG_LENGTH } from '../../format/retired-tag.ts';

/** The days on which keys were made. */
export const MADE_TAG = 'pazpaz:made';

/** Such as `2026-11-30`, by key number. */
export type MadeDays = ReadonlyMap<number, string>;

/**
 * `1=20260105 2=20260405`, for keys that are on younger versions now. 17 keys fit into 256 characters up to number
 * 9999; of longer numbers, the highest are left out.
 */
export function madeTag(days: MadeDays): Tag {
  const words = [...days]
    .sort(([one], [other]) => one - other)
    .map(([number, day]) => `${number}=${day.replaceAll('-', '')}`);
  while (words.join(' ').length > MAX_TAG_LENGTH) words.pop();
  return { Key: MADE_TAG, Value: words.join(' ') };
}

export function madeDays(tags: readonly Tag[] | undefined): MadeDays {
  const words = tags?.find(({ Key }) => Key === MADE_TAG)?.Value?.split(' ') ?? [];
  return new Map(
    words.flatMap((word): readonly (readonly [number, string])[] => {
      const [, number, year = '', month = '', day = ''] = /^([1-9]\d{0,8})=(\d{4})(\d\d)(\d\d)$/.exec(word) ?? [];
      const date = `${year}-${month}-${day}`;
      return number === undefined || Number.isNaN(Date.parse(date)) ? [] : [[Number(number), date]];
    }),
  );
}
