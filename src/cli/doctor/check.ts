/** Every thing that can be wrong, by a code that never changes its meaning. */
export type CheckCode =
  | 'access-denied'
  | 'aws-refused'
  | 'secret-not-found'
  | 'kms-denied'
  | 'fallback-in-use'
  | 'key-invalid'
  | 'unnumbered-key'
  | 'labels-moved'
  | 'version-without-label'
  | 'unfinished-command'
  | 'ring-nearly-full'
  | 'rotation-late'
  | 'unreadable-key'
  | 'environment-key'
  | 'schedule-without-function'
  | 'kms-key-disabled'
  | 'replica-behind'
  | 'endpoint-unreachable'
  | 'clock-wrong';

/** One thing that is wrong, and the commands that mend it. */
export interface Finding {
  readonly text: string;
  readonly next: readonly string[];
}

/** What became of one check. */
export interface CheckReport {
  readonly code: CheckCode;
  /** What would be wrong, in a few words. */
  readonly title: string;
  readonly outcome: 'fine' | 'found' | 'not checked';
  /** How that is known, or why it is not. */
  readonly how: string;
  readonly findings: readonly Finding[];
}

/** What a check is about, before it has run. */
export type Subject = Pick<CheckReport, 'code' | 'title'>;

/** Found where there is any finding, otherwise fine. */
export function checked(subject: Subject, how: string, findings: readonly Finding[]): CheckReport {
  return { ...subject, outcome: findings.length > 0 ? 'found' : 'fine', how, findings };
}

export function notChecked(subject: Subject, why: string): CheckReport {
  return { ...subject, outcome: 'not checked', how: why, findings: [] };
}

export function finding(text: string, ...next: readonly string[]): Finding {
  return { text, next };
}
