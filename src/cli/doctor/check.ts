import type { NextStep } from '../suggested-commands.ts';
import type { Examination } from './examination.ts';

export interface Finding {
  readonly text: string;
  readonly next: readonly NextStep[];
}

export interface Outcome {
  readonly outcome: 'fine' | 'found' | 'not checked';
  /** How that is known, or why it is not. */
  readonly how: string;
  readonly findings: readonly Finding[];
}

export interface Check<Code extends string = string> {
  /** Never changes its meaning. */
  readonly code: Code;
  /** In a few words. */
  readonly title: string;
  readonly run: (seen: Examination) => Outcome;
}

export function check<Code extends string>(code: Code, title: string, run: Check['run']): Check<Code> {
  return { code, title, run };
}

export function checked(how: string, findings: readonly Finding[]): Outcome {
  return { outcome: findings.length > 0 ? 'found' : 'fine', how, findings };
}

export function notChecked(why: string): Outcome {
  return { outcome: 'not checked', how: why, findings: [] };
}

export function finding(text: string, ...next: readonly NextStep[]): Finding {
  return { text, next };
}
