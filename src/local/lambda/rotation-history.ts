import type { RotationUnderWay } from '../service/state.ts';
import type { RotationStep } from './lambda-interface.ts';

/** A rotation or a test run. Nothing in it is secret, unless a Lambda's error says something secret. */
export interface RotationRecord {
  readonly arn: string;
  readonly token: string;
  readonly kind: RotationUnderWay['kind'];
  /** By the service's clock, milliseconds since 1970. */
  readonly startedAt: number;
  endedAt?: number;
  readonly attempts: RotationAttempt[];
  /**
   * `given up`: every try failed, the next window tries again. `abandoned`: a put by hand, a cancel or a deletion took
   * its place. `unfinished`: all steps returned, but the new version is not current. `interrupted`: the service closed
   * or could not save.
   */
  outcome: 'running' | 'succeeded' | 'unfinished' | 'given up' | 'abandoned' | 'interrupted';
}

export interface RotationAttempt {
  /** In the order in which they ran; the last one may have failed. */
  readonly steps: RotationStep[];
  error?: { readonly step: RotationStep; readonly type: string; readonly message: string };
}

const KEPT_ROTATIONS = 1000;

/** Since the start, oldest first. */
export class RotationHistory {
  readonly #records: RotationRecord[] = [];

  begin(arn: string, underWay: RotationUnderWay, startedAt: number): RotationRecord {
    const record: RotationRecord = {
      arn,
      token: underWay.token,
      kind: underWay.kind,
      startedAt,
      attempts: [],
      outcome: 'running',
    };
    this.#records.push(record);
    if (this.#records.length > KEPT_ROTATIONS) this.#records.shift();
    return record;
  }

  get records(): readonly RotationRecord[] {
    return this.#records;
  }
}
