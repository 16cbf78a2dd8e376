import { createHash } from 'node:crypto';
import type { Tag } from '@aws-sdk/client-secrets-manager';
import type { KeyNumber } from '../../format/key-number.ts';
import { MAX_TAG_LENGTH, retiredKeys, retiredTagKey, type RetiredKey } from '../../format/retired-tag.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { removeTags } from './tags.ts';

/** A secret can have 50 tags in all. */
export const MAX_RECORDS = 20;

/** The numbers whose records are gone. */
export const FORGOTTEN = 'pazpaz:retired-before';

/** The versions of such keys that AWS still has, four characters for each: they have not lost their label. */
export const FORGOTTEN_VERSIONS = 'pazpaz:retired-versions';
const SHORT_LENGTH = 4;

/** Retired so long ago that their records are gone. */
export function forgottenNumbers(tags: readonly Tag[] | undefined): ReadonlySet<number> {
  const words = tags?.find(({ Key }) => Key === FORGOTTEN)?.Value?.split(' ') ?? [];
  return new Set(words.flatMap(numbersIn));
}

/** As far as tags say. Some may be on the ring again. */
export function retiredNumbers(tags: readonly Tag[] | undefined): ReadonlySet<number> {
  return new Set([...forgottenNumbers(tags), ...retiredKeys(tags).map(({ number }) => number)]);
}

/** What is left of records that are removed. No backup may bring such a key back by itself. */
export function forgottenTag(numbers: Iterable<number>): Tag {
  const words = rangesOf(numbers);
  while (words.join(' ').length > MAX_TAG_LENGTH) words.pop();
  return { Key: FORGOTTEN, Value: words.join(' ') };
}

/** `1-40`, `43`, `45-46`. */
export function rangesOf(numbers: Iterable<number>): string[] {
  const ranges: [number, number][] = [];
  for (const number of [...new Set(numbers)].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`));
}

/** Whether a version is that of a key that was retired so long ago that its record is gone. */
export function isForgottenVersion(tags: readonly Tag[] | undefined, versionId: string): boolean {
  return shortIds(tags).includes(shortId(versionId));
}

/** The versions whose records are gone or go now, without those that AWS has deleted: the last 64 of them. */
export function forgottenVersionsTag(
  tags: readonly Tag[] | undefined,
  added: readonly RetiredKey[],
  existingVersions: ReadonlySet<string>,
): Tag {
  const existing = new Set([...existingVersions].map(shortId));
  const all = new Set([...shortIds(tags), ...added.map(({ versionId }) => shortId(versionId))]);
  const kept = [...all].filter((id) => existing.has(id));
  return { Key: FORGOTTEN_VERSIONS, Value: kept.join('').slice(-MAX_TAG_LENGTH) };
}

function shortIds(tags: readonly Tag[] | undefined): readonly string[] {
  const value = tags?.find(({ Key }) => Key === FORGOTTEN_VERSIONS)?.Value ?? '';
  return value.match(new RegExp(`.{${SHORT_LENGTH}}`, 'g')) ?? [];
}

/** 24 bits of a hash, as a tag is too short for whole version ids. */
function shortId(versionId: string): string {
  return createHash('sha256').update(versionId).digest('base64url').slice(0, SHORT_LENGTH);
}

function numbersIn(word: string): readonly number[] {
  const [, first, last = first] = /^([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?$/.exec(word) ?? [];
  // A tag that was changed by hand must not take the memory of a process.
  const length = Math.min(Number(last) - Number(first) + 1, 10_000);
  return length > 0 ? Array.from({ length }, (_, index) => Number(first) + index) : [];
}

/** Records whose version is gone, and the oldest beyond 20, once `added` exist. */
export function outdatedRecords(
  tags: readonly Tag[] | undefined,
  existingVersions: ReadonlySet<string>,
  added: readonly KeyNumber[],
): readonly RetiredKey[] {
  const others = retiredKeys(tags).filter(({ number }) => !added.includes(number));
  const gone = others.filter(({ versionId }) => !existingVersions.has(versionId));
  const left = others.filter((record) => !gone.includes(record)).sort((a, b) => (a.date < b.date ? -1 : 1));
  return [...gone, ...left.slice(0, Math.max(0, left.length + added.length - MAX_RECORDS))];
}

export async function removeRecords(deps: CommandDependencies, numbers: readonly KeyNumber[]): Promise<void> {
  await removeTags(deps, numbers.map(retiredTagKey));
}
