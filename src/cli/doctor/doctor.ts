import { hasBackupTag } from '../backup/backup-tag.ts';
import type { ExitCode } from '../exit-code.ts';
import {
  ACCESS_DENIED,
  AWS_REFUSED,
  CLOCK_WRONG,
  ENDPOINT_UNREACHABLE,
  KMS_DENIED,
  SECRET_NOT_FOUND,
  cannotAnswerNow,
} from './access-checks.ts';
import { ENVIRONMENT_KEY, FALLBACK_IN_USE, KEY_INVALID, MANY_ENCRYPTIONS, UNREADABLE_KEY } from './key-checks.ts';
import {
  LABELS_MOVED,
  NOT_IN_BACKUP,
  RING_NEARLY_FULL,
  ROTATION_LATE,
  SCHEDULE_WITHOUT_FUNCTION,
  UNFINISHED_COMMAND,
  UNNUMBERED_KEY,
  VERSION_WITHOUT_LABEL,
} from './ring-checks.ts';
import { UNLISTED_COLUMN } from './column-checks.ts';
import { KMS_KEY_DISABLED, REPLICA_BEHIND } from './elsewhere-checks.ts';
import { encryptionWords } from '../status/key-encryptions.ts';
import type { Outcome } from './check.ts';
import type { Examination } from './examination.ts';
import { examine, type DoctorDependencies } from './examine.ts';

/** In the order of the screen: issues 1 to 5 of the setup guide come first. */
export const CHECKS = [
  ACCESS_DENIED,
  SECRET_NOT_FOUND,
  KMS_DENIED,
  FALLBACK_IN_USE,
  KEY_INVALID,
  UNNUMBERED_KEY,
  LABELS_MOVED,
  VERSION_WITHOUT_LABEL,
  UNFINISHED_COMMAND,
  RING_NEARLY_FULL,
  ROTATION_LATE,
  MANY_ENCRYPTIONS,
  UNREADABLE_KEY,
  ENVIRONMENT_KEY,
  SCHEDULE_WITHOUT_FUNCTION,
  KMS_KEY_DISABLED,
  REPLICA_BEHIND,
  NOT_IN_BACKUP,
  UNLISTED_COLUMN,
  AWS_REFUSED,
  ENDPOINT_UNREACHABLE,
  CLOCK_WRONG,
] as const;

export type CheckCode = (typeof CHECKS)[number]['code'];

export interface CheckReport extends Outcome {
  readonly code: CheckCode;
  readonly title: string;
}

export interface DoctorResult {
  readonly secretId: string;
  readonly checks: readonly CheckReport[];
  readonly found: number;
  readonly notChecked: number;
}

/** Reads every key of the ring once, and writes nothing. */
export async function runDoctor(deps: DoctorDependencies): Promise<{ result: DoctorResult; exitCode: ExitCode }> {
  const seen = await examine(deps);
  const asked = CHECKS.filter((one) => isAsked(one, seen, deps));
  const checks = asked.map(({ code, title, run }) => ({ code, title, ...run(seen) }));
  const count = (outcome: Outcome['outcome']): number => checks.filter((check) => check.outcome === outcome).length;
  const found = count('found');
  const result = { secretId: deps.secretId, checks, found, notChecked: count('not checked') };
  return { result, exitCode: cannotAnswerNow(seen) ? 3 : found > 0 ? 1 : 0 };
}

/** Columns need a list, backups a former backup, encryptions a count of AWS. */
function isAsked(
  one: (typeof CHECKS)[number],
  { described, encryptions }: Examination,
  { findUnlisted }: DoctorDependencies,
): boolean {
  if (one === UNLISTED_COLUMN) return findUnlisted !== undefined;
  if (one === MANY_ENCRYPTIONS) return encryptions !== undefined && encryptionWords(encryptions) !== undefined;
  return one !== NOT_IN_BACKUP || hasBackupTag(described?.secret.Tags);
}
