export interface Verification {
  readonly what: 'files' | 'signature' | 'chain';
  readonly outcome: 'good' | 'bad' | 'not checked';
  readonly how: string;
}

export interface SignatureVerification extends Verification {
  /** Absent for a report that is not signed. */
  readonly signedBy?: string;
}
