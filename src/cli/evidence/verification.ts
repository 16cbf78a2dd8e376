/** One check of a report on disk. */
export interface Verification {
  readonly what: 'files' | 'signature' | 'chain';
  readonly outcome: 'good' | 'bad' | 'not checked';
  readonly how: string;
}
