import { randomBytes, randomUUID } from 'node:crypto';
import { DEFAULT_BEHAVIOUR } from './behaviour.ts';
import { faultTarget, secretIdIn, secretNamed, versionIdIn } from './call-details.ts';
import { CallLog } from './call-log.ts';
import { IN_PROCESS_CALLER, LAMBDA_ACCESS_KEY_ID, type Caller } from './caller.ts';
import { Clock } from './clock.ts';
import type { DueMoment } from './service/due-moments.ts';
import { DurableState } from './durable-state.ts';
import { Faults, inject, notSeenYet } from './faults.ts';
import { isJsonObject, stringMember, type JsonObject } from './json.ts';
import { LambdaError, type CanInvoke, type Invoke } from './lambda/lambda-interface.ts';
import { EventBridge } from './lambda/event-bridge.ts';
import { latestDate } from './service/latest-date.ts';
import { isOperationName, perform, type OperationName } from './service/perform.ts';
import { RotationDriver } from './lambda/rotation-driver.ts';
import { RotationHistory } from './lambda/rotation-history.ts';
import { beginScheduledRotation } from './service/rotation-state.ts';
import type { SavedState } from './saved-state.ts';
import { withoutSecretOf } from './service/secrets.ts';
import { ServiceError } from './service/service-error.ts';
import type { Behaviour, CallContext, ServiceState } from './service/state.ts';
import { Scheduler } from './scheduler.ts';

export interface ServiceOptions {
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Default `123456789012`. */
  readonly accountId?: string;
  readonly behaviour?: Partial<Behaviour>;
  /** Without it every rotation fails. */
  readonly invoke?: Invoke;
  /** Default: every function can be invoked. */
  readonly canInvoke?: CanInvoke;
  /** Tries with one token; default 3. */
  readonly tries?: number;
  /** Real milliseconds between two tries; default 100. */
  readonly retryPause?: number;
  /** Whether the Lambda gets notices of changes by hand, as from EventBridge. Default: true. */
  readonly notices?: boolean;
  /** Further access keys whose changes are the Lambda's own. */
  readonly lambdaAccessKeyIds?: readonly string[];
  readonly saved?: SavedState;
  /** Called after every change; the answer waits for it. */
  readonly save?: (saved: SavedState) => Promise<void>;
  readonly realNow?: () => number;
  readonly newId?: () => string;
  readonly randomBytes?: (length: number) => Uint8Array;
}

const DEFAULT_TRIES = 3;

const PUTTING_OPERATIONS: ReadonlySet<OperationName> = new Set(['CreateSecret', 'PutSecretValue', 'UpdateSecret']);

/** The pure state machine (perform.ts) with a clock, faults, a rotation driver and notices of changes by hand. */
export class LocalSecretsManager {
  readonly region: string;
  readonly accountId: string;
  readonly clock: Clock;
  readonly faults = new Faults();
  readonly calls = new CallLog();
  readonly history = new RotationHistory();
  readonly #options: ServiceOptions;
  readonly #driver: RotationDriver;
  readonly #events: EventBridge;
  readonly #scheduler: Scheduler;
  readonly #closing = new AbortController();
  readonly #state: DurableState;
  #behaviour: Behaviour;

  constructor(options: ServiceOptions = {}) {
    this.#options = options;
    this.region = options.region ?? 'us-east-1';
    this.accountId = options.accountId ?? '123456789012';
    const initial = options.saved?.state ?? { secrets: {} };
    this.clock = new Clock(options.realNow, options.saved?.clockOffset, latestDate(initial));
    this.#state = new DurableState({
      initial,
      clockOffset: () => this.clock.offset,
      save: options.save,
    });
    this.#behaviour = { ...DEFAULT_BEHAVIOUR, ...options.behaviour };
    const shared = {
      state: () => this.state,
      now: () => this.clock.now(),
      newId: () => this.#newId(),
      invoke: options.invoke ?? noLambda,
      signal: this.#closing.signal,
    };
    this.#events = new EventBridge({ ...shared, region: this.region, accountId: this.accountId });
    this.#driver = new RotationDriver({
      ...shared,
      change: (next) => this.#replace(next(this.state, this.#context())),
      history: this.history,
      tries: options.tries ?? DEFAULT_TRIES,
      retryPause: options.retryPause ?? 100,
    });
    this.#scheduler = new Scheduler({
      clock: this.clock,
      state: () => this.state,
      carryOut: (due) => this.#carryOut(due),
      idle: () => this.idle(),
    });
  }

  /** Continues what an earlier process left unfinished. Call it once calls can come in. */
  start(): void {
    for (const { arn, rotation } of Object.values(this.state.secrets)) {
      if (rotation?.underWay !== undefined) this.#driver.start(arn);
    }
    this.#scheduler.arm();
  }

  get state(): ServiceState {
    return this.#state.current;
  }

  get behaviour(): Behaviour {
    return this.#behaviour;
  }

  setBehaviour(behaviour: Partial<Behaviour>): void {
    this.#behaviour = { ...this.#behaviour, ...behaviour };
  }

  /** Input and answer are JSON bodies. Throws `ServiceError`, or `ConnectionDropped` if a fault says so. */
  async call(operation: string, input: unknown, caller: Caller = IN_PROCESS_CALLER): Promise<JsonObject> {
    if (!isOperationName(operation)) throw new ServiceError('UnknownOperationException', '');
    const request = isJsonObject(input) ? input : {};
    const faults = this.faults.matching(faultTarget(this.state, operation, request));
    let outcome = 'ok';
    try {
      await inject(
        faults.filter((fault) => fault.when !== 'after'),
        this.#closing.signal,
      );
      try {
        return await this.#perform(operation, request, caller);
      } finally {
        await inject(
          faults.filter((fault) => fault.when === 'after'),
          this.#closing.signal,
        );
      }
    } catch (error) {
      outcome = error instanceof ServiceError ? error.type : 'connection dropped';
      throw error;
    } finally {
      this.#log(operation, request, caller, outcome);
    }
  }

  /** Resolves when no rotation runs and no notice is being delivered. */
  async idle(): Promise<void> {
    do {
      await this.#driver.idle();
      await this.#events.idle();
    } while (!this.#driver.isIdle || !this.#events.isIdle);
  }

  /** By milliseconds; see `advanceTo`. */
  advance(milliseconds: number): Promise<void> {
    return this.#move((now) => now + milliseconds);
  }

  /**
   * Moves the clock to a moment (milliseconds since 1970). On the way, each due rotation runs to its end at its own
   * time, and secrets whose recovery window ends are removed. Throws `RangeError` if the moment has passed.
   */
  advanceTo(moment: number): Promise<void> {
    return this.#move(() => moment);
  }

  /** Takes a name or an ARN. Throws `RangeError` if no rotation is scheduled. */
  async advanceToNextRotation(secretId: string): Promise<void> {
    const next = secretNamed(this.state, secretId)?.rotation?.nextRotationDate;
    if (next === undefined) throw new RangeError(`${secretId} has no rotation to come`);
    await this.#move((now) => Math.max(next, now));
  }

  /** Once for each secret that the Lambda rotates. Rejects if it fails. */
  tick(): Promise<void> {
    return this.#events.tick();
  }

  /** Stops everything that runs, and waits for the last save. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#scheduler.stop();
    await this.idle();
    await this.#state.save();
  }

  async #perform(name: OperationName, request: JsonObject, caller: Caller): Promise<JsonObject> {
    if (name === 'RotateSecret') await this.#checkInvocable(request, caller);
    let result: ReturnType<typeof perform>;
    try {
      result = perform(this.state, name, request, this.#context(caller.region));
    } catch (error) {
      await this.#reattemptIfRefused(name, request, error);
      await this.#state.saved();
      throw error;
    }
    const { state, output } = result;
    const versionId = stringMember(output, 'VersionId');
    if (name === 'GetSecretValue' && versionId !== undefined && this.faults.isUnseen(versionId)) {
      throw notSeenYet(stringMember(request, 'VersionId'), stringMember(request, 'VersionStage') ?? 'AWSCURRENT');
    }
    if (state === this.state) {
      await this.#state.saved();
    } else {
      if (PUTTING_OPERATIONS.has(name) && versionId !== undefined) this.faults.valuePut(versionId);
      await this.#replace(state);
    }
    const arn = stringMember(output, 'ARN');
    if (arn !== undefined) {
      if (name === 'RotateSecret') this.#driver.start(arn);
      if (this.#options.notices !== false && !this.#isLambda(caller)) this.#events.notice(name, request, arn, caller);
    }
    return output;
  }

  /** Recorded: RotateSecret changes nothing if the function cannot be invoked. */
  async #checkInvocable(request: JsonObject, caller: Caller): Promise<void> {
    const functionArn = this.#functionAfter(request, caller);
    if (functionArn === undefined || (await this.#options.canInvoke?.(functionArn)) !== false) return;
    throw new ServiceError(
      'AccessDeniedException',
      'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
    );
  }

  /** The function that this RotateSecret would leave with the secret; `undefined` if nothing would change. */
  #functionAfter(request: JsonObject, { region }: Caller): string | undefined {
    try {
      const { state, output } = perform(this.state, 'RotateSecret', request, this.#context(region));
      return state === this.state ? undefined : state.secrets[stringMember(output, 'ARN') ?? '']?.rotation?.lambdaArn;
    } catch {
      return undefined;
    }
  }

  /** "A previous rotation isn't complete. That rotation will be reattempted." */
  async #reattemptIfRefused(name: OperationName, request: JsonObject, error: unknown): Promise<void> {
    if (name !== 'RotateSecret' || !(error instanceof ServiceError)) return;
    const arn = secretNamed(this.state, secretIdIn(request))?.arn;
    if (arn === undefined || !error.message.includes('will be reattempted') || this.#driver.isRunning(arn)) return;
    await this.#beginRotation(arn);
  }

  async #move(target: (now: number) => number): Promise<void> {
    await this.#scheduler.moveTo(target);
    await this.#state.save();
  }

  async #beginRotation(arn: string): Promise<void> {
    await this.#replace(beginScheduledRotation(this.state, arn, this.#context()));
    this.#driver.start(arn);
  }

  async #carryOut(due: DueMoment): Promise<void> {
    if (due.what === 'deletion') {
      await this.#replace(withoutSecretOf(this.state, due.arn));
      return;
    }
    if (this.#driver.isRunning(due.arn)) return;
    await this.#beginRotation(due.arn);
  }

  async #replace(next: ServiceState): Promise<void> {
    const saved = this.#state.replace(next);
    this.#scheduler.arm();
    try {
      await saved;
    } finally {
      this.#scheduler.arm();
    }
  }

  #log(operation: OperationName, request: JsonObject, caller: Caller, outcome: string): void {
    const secretId = secretIdIn(request);
    const versionId = versionIdIn(request);
    this.calls.record({
      operation,
      ...(secretId === undefined ? {} : { secretId }),
      ...(versionId === undefined ? {} : { versionId }),
      by: this.#isLambda(caller) ? 'lambda' : 'caller',
      at: this.clock.now(),
      outcome,
    });
  }

  #isLambda({ accessKeyId }: Caller): boolean {
    return accessKeyId === LAMBDA_ACCESS_KEY_ID || (this.#options.lambdaAccessKeyIds?.includes(accessKeyId) ?? false);
  }

  #newId(): string {
    return (this.#options.newId ?? randomUUID)();
  }

  #context(region = this.region): CallContext {
    return {
      now: this.clock.now(),
      region,
      accountId: this.accountId,
      behaviour: this.#behaviour,
      newId: () => this.#newId(),
      randomBytes: this.#options.randomBytes ?? randomBytes,
    };
  }
}

function noLambda(): Promise<never> {
  return Promise.reject(new LambdaError('Local.NoLambda', 'The local service was started without a Lambda'));
}
