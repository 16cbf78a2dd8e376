import type { NextStep } from '../suggested-commands.ts';

/** Something about the ring that needs attention, and what to do. A code never changes its meaning. */
export interface Note {
  readonly code: NoteCode;
  /** `notice`: nothing is wrong. */
  readonly weight: 'notice' | 'warning';
  readonly text: string;
  /** Commands, in the order in which to try them. */
  readonly next: readonly NextStep[];
}

export type NoteCode =
  | 'no-current-key'
  | 'rotation-under-way'
  | 'rotation-left-over'
  | 'rotation-refused'
  | 'unnumbered-key'
  | 'key-arriving'
  | 'move-unfinished'
  | 'restore-ring-unfinished'
  | 'older-kms-key'
  | 'retirement-unfinished'
  | 'restore-unfinished'
  | 'number-on-another-key'
  | 'number-on-no-key'
  | 'number-at-limit'
  | 'version-without-label'
  | 'key-lost'
  | 'foreign-label-only'
  | 'ring-nearly-full'
  | 'ring-full'
  | 'rotation-overdue'
  | 'rotation-off'
  | 'replica'
  | 'restorable';

export function warning(code: NoteCode, text: string, ...next: readonly NextStep[]): Note {
  return { code, weight: 'warning', text, next };
}

export function notice(code: NoteCode, text: string, ...next: readonly NextStep[]): Note {
  return { code, weight: 'notice', text, next };
}
