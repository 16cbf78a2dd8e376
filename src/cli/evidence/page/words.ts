import type { Evidence, KeyFacts } from '../evidence.ts';

const DAY = 24 * 3_600_000;

const STATES: Readonly<Record<KeyFacts['state'], string>> = {
  current: 'encrypts new data',
  previous: 'decrypts older data; was in use before',
  reads: 'decrypts older data',
  pending: 'a rotation is bringing it in',
  placeholder: 'a rotation has begun, without a key yet',
  arriving: 'is being added by hand',
  retired: 'retired; AWS may delete it',
  deleted: 'retired, and deleted by AWS',
  abandoned: 'never encrypted anything',
  copy: 'holds the same key as another version',
  'foreign label only': 'kept by a label that is not of the ring',
  'no label': 'has no number; AWS may delete it',
};

export function stateWords({ state, isNoKey }: KeyFacts): string {
  if (isNoKey === true) return 'holds no key';
  return STATES[state];
}

/** `Key 3`, or `no number`. */
export function keyTitle({ number }: KeyFacts): string {
  return number === undefined ? 'no number' : `Key ${number}`;
}

/** `2026-11-30`. */
export function day(date: string): string {
  return date.slice(0, 10);
}

/** Of the rotation that is late. */
export function dueDay({ madeAt, secret }: Pick<Evidence, 'madeAt' | 'secret'>): string {
  return day(new Date(Date.parse(madeAt) - secret.rotation.daysOverdue * DAY).toISOString());
}

/** `2026-11-30 08:15 UTC`. */
export function moment(date: string): string {
  return `${date.slice(0, 10)} ${date.slice(11, 16)} UTC`;
}

/** `2026-11-30 08:15:42 UTC`. */
export function clock(date: string): string {
  return `${date.slice(0, 10)} ${date.slice(11, 19)} UTC`;
}
