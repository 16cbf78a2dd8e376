import type { Tag } from '@aws-sdk/client-secrets-manager';

const TAG = 'pazpaz:backup';

/** The tag that says when the last backup was made and which keys are in it, so that `doctor` can tell what is missing. */
export interface BackupRecord {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly numbers: readonly number[];
}

/** `2026-11-30T08:00:00.000Z 1 2 3`. A ring has at most 17 numbers of nine digits, so it fits into 256 characters. */
export function backupTag({ date, numbers }: BackupRecord): Tag {
  return { Key: TAG, Value: [date, ...numbers].join(' ') };
}

/** The record among a secret's tags. Without a valid one, no backup is known. */
export function backupRecord(tags: readonly Tag[] | undefined): BackupRecord | undefined {
  const [date = '', ...words] = tags?.find(({ Key }) => Key === TAG)?.Value?.split(' ') ?? [];
  const numbers = words.map(Number);
  return Number.isNaN(Date.parse(date)) || numbers.some(Number.isNaN) ? undefined : { date, numbers };
}
