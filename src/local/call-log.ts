/** Names and outcomes only, never a value of a secret. */
export interface LoggedCall {
  readonly operation: string;
  /** As the caller spelt it. */
  readonly secretId?: string;
  readonly versionId?: string;
  readonly by: 'lambda' | 'caller';
  /** By the service's clock, milliseconds since 1970. */
  readonly at: number;
  /** `ok`, the type of the error, or `connection dropped`. */
  readonly outcome: string;
}

/** The counters count all calls. */
const KEPT_CALLS = 10_000;

/** In the order of the answers. */
export class CallLog {
  #calls: LoggedCall[] = [];
  #counts: Record<string, number> = {};

  record(call: LoggedCall): void {
    this.#calls.push(call);
    if (this.#calls.length > KEPT_CALLS) this.#calls.shift();
    this.#counts[call.operation] = (this.#counts[call.operation] ?? 0) + 1;
  }

  get calls(): readonly LoggedCall[] {
    return this.#calls;
  }

  /** By operation, since the start or the last `clear`. */
  get counts(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }

  clear(): void {
    this.#calls = [];
    this.#counts = {};
  }
}
