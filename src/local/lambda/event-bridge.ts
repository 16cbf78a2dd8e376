import type { Caller } from '../caller.ts';
import type { JsonObject } from '../json.ts';
import type { ServiceState } from '../service/state.ts';
import { changeNotice, NOTICED_OPERATIONS, scheduledEvent } from './cloudtrail-event.ts';
import { EventDelivery } from './event-delivery.ts';
import type { Invoke } from './lambda-interface.ts';

export interface EventBridgeOptions {
  readonly region: string;
  readonly accountId: string;
  readonly state: () => ServiceState;
  readonly now: () => number;
  readonly newId: () => string;
  readonly invoke: Invoke;
  readonly signal: AbortSignal;
}

/** The two rules of the stack that invoke the Lambda: for changes by hand, and once a day. */
export class EventBridge {
  readonly #options: EventBridgeOptions;
  readonly #delivery: EventDelivery;

  constructor(options: EventBridgeOptions) {
    this.#options = options;
    this.#delivery = new EventDelivery(options.invoke, options.signal);
  }

  get isIdle(): boolean {
    return this.#delivery.isIdle;
  }

  idle(): Promise<void> {
    return this.#delivery.idle();
  }

  /** Does nothing if no rule asks for such changes, or no function rotates the secret. */
  notice(operation: string, input: JsonObject, arn: string, caller: Caller): void {
    const { region, accountId, state, now, newId } = this.#options;
    const functionArn = state().secrets[arn]?.rotation?.lambdaArn;
    if (!NOTICED_OPERATIONS.has(operation) || functionArn === undefined) return;
    const ids = { requestId: newId(), eventId: newId() };
    const event = changeNotice({ operation, input, arn, caller, ...ids, now: now(), region, accountId });
    this.#delivery.send({ event, functionArn, secretArn: arn });
  }

  /** Once for each secret that a function rotates. Rejects if it fails. */
  async tick(): Promise<void> {
    const { region, accountId, state, now, newId, invoke, signal } = this.#options;
    for (const { arn, rotation } of Object.values(state().secrets)) {
      if (rotation === undefined) continue;
      const event = scheduledEvent({ id: newId(), now: now(), region, accountId });
      await invoke({ event, functionArn: rotation.lambdaArn, secretArn: arn, kind: 'wait', signal });
    }
  }
}
