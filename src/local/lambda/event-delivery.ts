import type { Invocation, Invoke } from './lambda-interface.ts';

/** A function invoked asynchronously is tried three times: Lambda retries twice ("Asynchronous invocation"). */
const TRIES = 3;

/**
 * Delivers events to the Lambda while the service answers calls. Lambda waits a minute, then two, between its tries; here
 * they follow each other at once.
 */
export class EventDelivery {
  readonly #invoke: Invoke;
  readonly #signal: AbortSignal;
  readonly #underWay = new Set<Promise<void>>();

  constructor(invoke: Invoke, signal: AbortSignal) {
    this.#invoke = invoke;
    this.#signal = signal;
  }

  send(notice: Pick<Invocation, 'event' | 'functionArn' | 'secretArn'>): void {
    const delivery = this.#deliver(notice).finally(() => this.#underWay.delete(delivery));
    this.#underWay.add(delivery);
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  async idle(): Promise<void> {
    while (!this.isIdle) await Promise.all(this.#underWay);
  }

  async #deliver(notice: Pick<Invocation, 'event' | 'functionArn' | 'secretArn'>): Promise<void> {
    for (let attempt = 1; attempt <= TRIES && !this.#signal.aborted; attempt += 1) {
      try {
        await this.#invoke({ ...notice, kind: 'event', signal: this.#signal });
        return;
      } catch {
        // No caller waits for the result of an asynchronous invocation; the Lambda's own log says what went wrong.
      }
    }
  }
}
