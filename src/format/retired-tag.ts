import { numberOfLabel, numberingLabel, type KeyNumber } from './key-number.ts';

const PREFIX = 'pazpaz:retired:';
const COPY_PREFIX = 'pazpaz:copy:';
const FORCED = 'forced';
const RESTORING = 'restoring';

/** AWS's limit for the value of a tag. */
export const MAX_TAG_LENGTH = 256;

/** A tag of the secret that records a key that was retired, or whose retirement began. */
export interface RetiredKey {
  readonly number: KeyNumber;
  readonly versionId: string;
  /** ISO 8601, UTC. */
  readonly date: string;
}

/** A retired key, and how it was retired. */
export interface RetirementRecord extends RetiredKey {
  /** The retirement did not wait for writers that still had the key. */
  readonly isForced: boolean;
  /** A `restore` of the key has begun: it is wanted again. */
  readonly isRestoring?: true;
}

/** A column whose rows a retirement has counted. */
export interface CountedRows {
  /** Schema and table, quoted for SQL. */
  readonly relation: string;
  readonly owner: string;
  readonly column: string;
  readonly rows: number;
}

/** A tag as the service returns it. */
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
  return tags?.flatMap(recordOf).sort((one, other) => one.number - other.number) ?? [];
}

function recordOf({ Key = '', Value = '' }: Tag): readonly RetirementRecord[] {
  const number = numberOfRetiredTag(Key);
  const [versionId = '', date = '', ...words] = Value.split(' ');
  return number === undefined || versionId === ''
    ? []
    : [
        {
          number,
          versionId,
          date,
          isForced: words.includes(FORCED),
          ...(words.includes(RESTORING) ? { isRestoring: true as const } : {}),
        },
      ];
}

/** The number in the name of such a tag; `undefined` for the name of another tag. */
export function numberOfRetiredTag(key: string): KeyNumber | undefined {
  return key.startsWith(PREFIX) ? numberOfLabel(key.slice(PREFIX.length)) : undefined;
}

/** `pazpaz:retired:key-v7` for 7. */
export function retiredTagKey(number: KeyNumber): string {
  return `${PREFIX}${numberingLabel(number)}`;
}

/** The record of a key that is being restored: nothing may retire it without a further day. */
export function restoringTag({ number, versionId, date }: RetiredKey): {
  readonly Key: string;
  readonly Value: string;
} {
  return { Key: retiredTagKey(number), Value: `${versionId} ${date} ${RESTORING}` };
}

/** Characters of a tag that the names of skipped tables may take. */
const MAX_SKIPPED_LENGTH = 80;

/**
 * The tag that is written before a key's label is removed: `VersionId date`, or `VersionId date forced`; then the tables
 * that no one looked at (`skipped=other.trap+other.closed`, or how many these are where the names are long); then the
 * columns whose rows were counted, as far as they fit, and how many columns with how many rows are not named.
 */
export function retiredTag(
  { number, versionId, date, isForced }: RetirementRecord,
  counted: readonly CountedRows[] = [],
  skipped: readonly string[] = [],
): { readonly Key: string; readonly Value: string } {
  let value = `${versionId} ${date}${isForced ? ` ${FORCED}` : ''}${wordOfSkipped(skipped)}`;
  for (const [index, column] of counted.entries()) {
    const others = counted.slice(index + 1);
    const named = `${value} ${word(column)}`;
    if (`${named}${wordOfOthers(others)}`.length > MAX_TAG_LENGTH) {
      value += wordOfOthers(counted.slice(index));
      break;
    }
    value = named;
  }
  return { Key: retiredTagKey(number), Value: value };
}

function word({ relation, column, owner, rows }: CountedRows): string {
  return `${allowed(relation)}.${allowed(column)}@${allowed(owner)}=${rows}`;
}

function wordOfSkipped(tables: readonly string[]): string {
  if (tables.length === 0) return '';
  const names = tables.map(allowed).join('+');
  return ` skipped=${names.length > MAX_SKIPPED_LENGTH ? tables.length : names}`;
}

function wordOfOthers(columns: readonly CountedRows[]): string {
  return columns.length === 0 ? '' : ` +${columns.length}=${columns.reduce((sum, { rows }) => sum + rows, 0)}`;
}

/** A name in the characters that AWS allows in a tag, without those that separate the words. */
function allowed(name: string): string {
  return name.replace(/[^\p{L}\p{N}_.:/+-]/gu, '_');
}

/** The name of the tag that records that the key of a version is on the ring under another version. */
export function copyTagKey(versionId: string): string {
  return `${COPY_PREFIX}${versionId}`;
}

/** The versions of one tag: that of its name, and those that its value lists after the date. */
export function copiesIn({ Key = '', Value = '' }: Tag): readonly string[] {
  if (!Key.startsWith(COPY_PREFIX)) return [];
  return [Key.slice(COPY_PREFIX.length), ...Value.split(' ').slice(1)].filter((id) => id !== '');
}

/** The versions with such a record. They need no number. */
export function copyVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(copiesIn));
}
