import { setTimeout as pause } from 'node:timers/promises';
import { messageOf, nameOf } from '../error-message.ts';
import type { CallContext, RotationUnderWay, ServiceState } from '../service/state.ts';
import {
  isAbandoned,
  recordAttempt,
  rotationAbandoned,
  rotationGivenUp,
  rotationSucceeded,
  testFailed,
  testSucceeded,
} from '../service/rotation-state.ts';
import { LambdaError, ROTATION_STEPS, type Invoke, type RotationEvent, type RotationStep } from './lambda-interface.ts';
import type { RotationAttempt, RotationHistory, RotationRecord } from './rotation-history.ts';

export interface DriverDependencies {
  readonly state: () => ServiceState;
  readonly now: () => number;
  readonly newId: () => string;
  /** Replaces the state; resolves when the new one is saved. */
  readonly change: (next: (state: ServiceState, context: CallContext) => ServiceState) => Promise<void>;
  readonly invoke: Invoke;
  readonly history: RotationHistory;
  /** Runs of the steps with one token before the service waits for the next window. */
  readonly tries: number;
  /** Real milliseconds between two tries. */
  readonly retryPause: number;
  readonly signal: AbortSignal;
}

/**
 * Carries rotations out ("Rotation by Lambda function"): four steps in order, each an invocation. "Secrets Manager
 * retries the entire rotation process multiple times"; how often and how far apart is on no record, so both are
 * options. One rotation of a secret runs at a time.
 */
export class RotationDriver {
  readonly #deps: DriverDependencies;
  readonly #running = new Map<string, Promise<void>>();
  /** Secrets whose next rotation began while a step of an abandoned one was still running. */
  readonly #waiting = new Set<string>();

  constructor(deps: DriverDependencies) {
    this.#deps = deps;
  }

  /** Starts what the state says is under way for this secret, if anything. */
  start(arn: string): void {
    if (this.#running.has(arn)) {
      this.#waiting.add(arn);
      return;
    }
    const run = this.#runAll(arn).finally(() => {
      this.#running.delete(arn);
      if (this.#waiting.delete(arn) && !this.#deps.signal.aborted) this.start(arn);
    });
    this.#running.set(arn, run);
  }

  isRunning(arn: string): boolean {
    return this.#running.has(arn);
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** Resolves when no rotation runs. */
  async idle(): Promise<void> {
    while (!this.isIdle) await Promise.all(this.#running.values());
  }

  async #runAll(arn: string): Promise<void> {
    const underWay = underWayIn(this.#deps.state(), arn);
    if (underWay === undefined) return;
    const record = this.#deps.history.begin(arn, underWay, this.#deps.now());
    // Whether a retry gets a new one is not documented.
    const rotationToken = this.#deps.newId();
    try {
      record.outcome = await this.#rotate(arn, underWay, rotationToken, record);
      if (record.outcome === 'abandoned') {
        await this.#deps.change((state) => rotationAbandoned(state, arn, underWay.token));
      }
    } catch {
      // The next start of the service continues this rotation.
      record.outcome = 'interrupted';
    }
    record.endedAt = this.#deps.now();
  }

  async #rotate(
    arn: string,
    { token, kind }: RotationUnderWay,
    rotationToken: string,
    record: RotationRecord,
  ): Promise<RotationRecord['outcome']> {
    const { change, tries, retryPause, signal } = this.#deps;
    for (let attempt = 1; attempt <= tries; attempt += 1) {
      if (attempt > 1) await pause(retryPause, undefined, { signal });
      if (this.#isOver(arn, token)) return 'abandoned';
      await change((state) => recordAttempt(state, arn));
      const result = await this.#attempt(arn, token, kind, rotationToken, record);
      if (signal.aborted) return 'interrupted';
      if (result === 'abandoned') return result;
      if (result !== 'failed') {
        const returned = kind === 'test' ? testSucceeded : rotationSucceeded;
        await change((state, context) => returned(state, arn, token, context));
        return result;
      }
    }
    const failed = kind === 'test' ? testFailed : rotationGivenUp;
    await change((state, context) => failed(state, arn, token, context));
    return 'given up';
  }

  async #attempt(
    arn: string,
    token: string,
    kind: RotationUnderWay['kind'],
    rotationToken: string,
    record: RotationRecord,
  ): Promise<'succeeded' | 'failed' | 'unfinished' | 'abandoned'> {
    const attempt: RotationAttempt = { steps: [] };
    record.attempts.push(attempt);
    const steps: readonly RotationStep[] = kind === 'test' ? ['testSecret'] : ROTATION_STEPS;
    for (const step of steps) {
      if (this.#isOver(arn, token)) return 'abandoned';
      attempt.steps.push(step);
      try {
        await this.#invoke({ Step: step, SecretId: arn, ClientRequestToken: token, RotationToken: rotationToken });
      } catch (error) {
        if (this.#isOver(arn, token)) return 'abandoned';
        attempt.error = { step, ...errorOf(error) };
        return 'failed';
      }
    }
    if (kind === 'test' || isCurrent(this.#deps.state(), arn, token)) return 'succeeded';
    if (this.#isOver(arn, token)) return 'abandoned';
    return 'unfinished';
  }

  async #invoke(event: RotationEvent): Promise<void> {
    const functionArn = this.#deps.state().secrets[event.SecretId]?.rotation?.lambdaArn ?? '';
    const { signal } = this.#deps;
    await this.#deps.invoke({ event, functionArn, secretArn: event.SecretId, kind: 'wait', signal });
  }

  #isOver(arn: string, token: string): boolean {
    return isAbandoned(this.#deps.state(), arn, token);
  }
}

function underWayIn(state: ServiceState, arn: string): RotationUnderWay | undefined {
  return state.secrets[arn]?.rotation?.underWay;
}

function isCurrent(state: ServiceState, arn: string, token: string): boolean {
  return state.secrets[arn]?.versions[token]?.stages.includes('AWSCURRENT') ?? false;
}

function errorOf(error: unknown): { type: string; message: string } {
  if (error instanceof LambdaError) return { type: error.errorType, message: error.message };
  return { type: nameOf(error), message: messageOf(error) };
}
