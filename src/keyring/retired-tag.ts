import { numberOfLabel, numberingLabel, type KeyNumber } from './key-number.ts';

const PREFIX = 'pazpaz:retired:';

/** What a tag of the secret remembers of a key that was retired, or whose retirement began. */
export interface RetiredKey {
  readonly number: KeyNumber;
  readonly versionId: string;
  /** ISO 8601, UTC. */
  readonly date: string;
}

/** A tag as the service gives it. */
interface Tag {
  readonly Key?: string | undefined;
  readonly Value?: string | undefined;
}

/** The records among the tags of a secret, by number. */
export function retiredKeys(tags: readonly Tag[] | undefined): readonly RetiredKey[] {
  return (tags ?? []).flatMap(recordOf).sort((one, other) => one.number - other.number);
}

function recordOf({ Key = '', Value = '' }: Tag): readonly RetiredKey[] {
  const number = Key.startsWith(PREFIX) ? numberOfLabel(Key.slice(PREFIX.length)) : undefined;
  const [versionId = '', date = ''] = Value.split(' ');
  return number === undefined || versionId === '' ? [] : [{ number, versionId, date }];
}

/** `pazpaz:retired:key-v7` for 7. */
export function retiredTagKey(number: KeyNumber): string {
  return `${PREFIX}${numberingLabel(number)}`;
}

/** The tag that is written before a key's label goes: `VersionId date`. */
export function retiredTag({ number, versionId, date }: RetiredKey): { readonly Key: string; readonly Value: string } {
  return { Key: retiredTagKey(number), Value: `${versionId} ${date}` };
}
