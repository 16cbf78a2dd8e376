import { numberOfLabel, numberingLabel, type KeyNumber } from './key-number.ts';

const PREFIX = 'pazpaz:retired:';
const COPY_PREFIX = 'pazpaz:copy:';
const FORCED = 'forced';
const RESTORING = 'restoring';
const UNREAD = 'unread';

/** AWS's limit. */
export const MAX_TAG_LENGTH = 256;

/** The record of a key that was retired, or whose retirement began. It is a tag of the secret. */
export interface RetiredKey {
  readonly number: KeyNumber;
  readonly versionId: string;
  /** ISO 8601, UTC. */
  readonly date: string;
}

export interface RetirementRecord extends RetiredKey {
  /** The retirement did not wait for processes that could still write with the key. */
  readonly isForced: boolean;
  /** The key could not be read, and the operator accepted that. */
  readonly isUnread?: true;
  /** A `restore` of the key has begun. */
  readonly isRestoring?: true;
}

/** A column whose rows a retirement has counted. */
export interface CountedRows {
  /** Schema and table, quoted for SQL. */
  readonly relation: string;
  readonly owner: string;
  readonly column: string;
  /** Of jsonb objects: the member that was listed; absent where the list names none. */
  readonly member?: string;
  readonly rows: number;
}

interface Tag {
  readonly Key?: string | undefined;
  readonly Value?: string | undefined;
}

/** By number. */
export function retiredKeys(tags: readonly Tag[] | undefined): readonly RetiredKey[] {
  return retirementRecords(tags).map(({ number, versionId, date }) => ({ number, versionId, date }));
}

/** By number. */
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
          ...(words.includes(UNREAD) ? { isUnread: true as const } : {}),
          ...(words.includes(RESTORING) ? { isRestoring: true as const } : {}),
        },
      ];
}

/** `undefined` for the name of another tag. */
export function numberOfRetiredTag(key: string): KeyNumber | undefined {
  return key.startsWith(PREFIX) ? numberOfLabel(key.slice(PREFIX.length)) : undefined;
}

/** `pazpaz:retired:key-v7` for 7. */
export function retiredTagKey(number: KeyNumber): string {
  return `${PREFIX}${numberingLabel(number)}`;
}

/** A key with this record is retired only after a further day. */
export function restoringTag({ number, versionId, date }: RetiredKey): {
  readonly Key: string;
  readonly Value: string;
} {
  return { Key: retiredTagKey(number), Value: `${versionId} ${date} ${RESTORING}` };
}

/** Characters that the names of skipped tables may take. */
const MAX_SKIPPED_LENGTH = 80;

/**
 * The tag that is written before a key's label is removed: `VersionId date`, or `VersionId date forced`; `unread`
 * for a key that could not be read; then the tables that were not read (`skipped=other.trap+other.closed`, or their number where the names are long); then the
 * counted columns with their rows, as far as they fit, and how many columns with how many rows are not named.
 */
export function retiredTag(
  { number, versionId, date, isForced, isUnread }: RetirementRecord,
  counted: readonly CountedRows[] = [],
  skipped: readonly string[] = [],
): { readonly Key: string; readonly Value: string } {
  let value = `${versionId} ${date}${isForced ? ` ${FORCED}` : ''}${isUnread === true ? ` ${UNREAD}` : ''}${wordOfSkipped(skipped)}`;
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

/** A member follows a colon, since AWS does not allow the arrow. */
function word({ relation, column, member, owner, rows }: CountedRows): string {
  const place = member === undefined ? allowed(column) : `${allowed(column)}:${allowed(member)}`;
  return `${allowed(relation)}.${place}@${allowed(owner)}=${rows}`;
}

function wordOfSkipped(tables: readonly string[]): string {
  if (tables.length === 0) return '';
  const names = tables.map(allowed).join('+');
  return ` skipped=${names.length > MAX_SKIPPED_LENGTH ? tables.length : names}`;
}

function wordOfOthers(columns: readonly CountedRows[]): string {
  return columns.length === 0 ? '' : ` +${columns.length}=${columns.reduce((sum, { rows }) => sum + rows, 0)}`;
}

/** AWS allows only these characters in a tag, and some of them separate the words. */
function allowed(name: string): string {
  return name.replace(/[^\p{L}\p{N}_.:/+-]/gu, '_');
}

/** The tag that records that the key of a version is on the ring under another version. */
export function copyTagKey(versionId: string): string {
  return `${COPY_PREFIX}${versionId}`;
}

/** The version in the tag's name, and those that its value lists after the date. */
export function copiesIn({ Key = '', Value = '' }: Tag): readonly string[] {
  if (!Key.startsWith(COPY_PREFIX)) return [];
  return [Key.slice(COPY_PREFIX.length), ...Value.split(' ').slice(1)].filter((id) => id !== '');
}

/** The versions with such a record need no number. */
export function copyVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(copiesIn));
}
