import type { Tag } from '@aws-sdk/client-secrets-manager';

const TAG = 'pazpaz:backup';

/** By this tag, `doctor` knows which keys a backup lacks. */
export interface BackupRecord {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly numbers: readonly number[];
}

/** `2026-11-30T08:00:00.000Z 1 2 3`. At most 17 numbers of nine digits fit into 256 characters. */
export function backupTag({ date, numbers }: BackupRecord): Tag {
  return { Key: TAG, Value: [date, ...numbers].join(' ') };
}

/** Without a valid record, no backup is known. */
export function backupRecord(tags: readonly Tag[] | undefined): BackupRecord | undefined {
  const [date = '', ...words] = tags?.find(isBackupTag)?.Value?.split(' ') ?? [];
  const numbers = words.map(Number);
  const isDate = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(date) && !Number.isNaN(Date.parse(date));
  const isValid = isDate && numbers.every((number) => Number.isInteger(number) && number > 0);
  return isValid ? { date, numbers } : undefined;
}

/** Also by a tag that cannot be read any more. */
export function hasBackupTag(tags: readonly Tag[] | undefined): boolean {
  return tags?.some(isBackupTag) === true;
}

export function isBackupTag({ Key }: Pick<Tag, 'Key'>): boolean {
  return Key === TAG;
}
