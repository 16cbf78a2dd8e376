/** One check of a report on disk. */
export interface Verification {
  readonly what: 'files' | 'signature' | 'chain';
  readonly outcome: 'good' | 'bad' | 'not checked';
  readonly how: string;
}

/** The check of a signature. */
export interface SignatureVerification extends Verification {
  /** The key that it was checked with; absent for a report that is not signed. */
  readonly signedBy?: string;
}
