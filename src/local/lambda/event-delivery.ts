import type { Invocation, Invoke } from './lambda-interface.ts';

/** Lambda retries an asynchronous invocation twice ("Asynchronous invocation"). */
const TRIES = 3;

/** Between its tries Lambda waits for minutes; here they follow each other at once. */
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
        // As of any asynchronous invocation, only the Lambda's own log says what went wrong.
      }
    }
  }
}
