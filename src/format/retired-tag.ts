import { numberOfLabel, numberingLabel, type KeyNumber } from './key-number.ts';

const PREFIX = 'pazpaz:retired:';
const FORCED = 'forced';

/** What a tag of the secret remembers of a key that was retired, or whose retirement began. */
export interface RetiredKey {
  readonly number: KeyNumber;
  readonly versionId: string;
  /** ISO 8601, UTC. */
  readonly date: string;
}

/** A retired key, and how it came to be retired. */
export interface RetirementRecord extends RetiredKey {
  /** The retirement did not wait for writers that still had the key. */
  readonly isForced: boolean;
}

/** A tag as the service gives it. */
interface Tag {
  readonly Key?: string | undefined;
  readonly Value?: string | undefined;
}

/** The retired keys among the tags of a secret, by number. */
export function retiredKeys(tags: readonly Tag[] | undefined): readonly RetiredKey[] {
  return retirementRecords(tags).map(({ number, versionId, date }) => ({ number, versionId, date }));
}

/** The retirement records among the tags of a secret, by number. */
export function retirementRecords(tags: readonly Tag[] | undefined): readonly RetirementRecord[] {
  return (tags ?? []).flatMap(recordOf).sort((one, other) => one.number - other.number);
}

function recordOf({ Key = '', Value = '' }: Tag): readonly RetirementRecord[] {
  const number = Key.startsWith(PREFIX) ? numberOfLabel(Key.slice(PREFIX.length)) : undefined;
  const [versionId = '', date = '', ...words] = Value.split(' ');
  return number === undefined || versionId === ''
    ? []
    : [{ number, versionId, date, isForced: words.includes(FORCED) }];
}

/** `pazpaz:retired:key-v7` for 7. */
export function retiredTagKey(number: KeyNumber): string {
  return `${PREFIX}${numberingLabel(number)}`;
}

/** The tag that is written before a key's label goes: `VersionId date`, or `VersionId date forced`. */
export function retiredTag({ number, versionId, date, isForced }: RetirementRecord): {
  readonly Key: string;
  readonly Value: string;
} {
  return { Key: retiredTagKey(number), Value: `${versionId} ${date}${isForced ? ` ${FORCED}` : ''}` };
}
