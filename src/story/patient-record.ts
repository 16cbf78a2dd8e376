import type { KeyNumber } from '../format/key-number.ts';

/** A field of a patient as an application stores it, with what the story remembers to check itself. */
export interface PatientRecord {
  /** From 1. */
  readonly id: number;
  readonly text: string;
  /** What the ciphertext is bound to, such as `patients:7:notes`. */
  readonly context: string;
  readonly ciphertext: Uint8Array;
  /** As in the header; 0: its writer did not know the number of its key. */
  readonly keyNumber: KeyNumber | 0;
  /** The version whose key encrypted it. */
  readonly versionId: string;
}

/** The guide's sentence first, then one for each rotation. */
const NOTES = [
  'Patient has diabetes',
  'Blood pressure 128/82',
  'Allergic to penicillin',
  'Started metformin',
  'Sleeps badly',
  'Broken wrist',
  'HbA1c 6.8 percent',
  'Moved to Haifa',
  'Retina checked',
  'Vaccinated: influenza',
  'Metformin reduced',
  'Walks every day',
  'Knee hurts on stairs',
  'New glasses',
  'Became a grandmother',
  'HbA1c 6.1 percent',
  'Feels well',
];

/** Of the n-th record, from 1. */
export function noteOf(id: number): string {
  return NOTES[(id - 1) % NOTES.length] ?? '';
}

export function contextOf(id: number): string {
  return `patients:${id}:notes`;
}
