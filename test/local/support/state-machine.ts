import { perform, type OperationName } from '../../../src/local/service/perform.ts';
import { ServiceError } from '../../../src/local/service/service-error.ts';
import type { Behaviour, CallContext, Secret, ServiceState } from '../../../src/local/service/state.ts';

const BEHAVIOUR: Behaviour = {
  unlabelledVersions: 'kept',
  firstPendingValue: 'becomes-current',
  pendingAfterSuccess: 'removed',
};

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
export const START = Date.UTC(2025, 0, 15, 10, 30);
export const LAMBDA = 'arn:aws:lambda:us-east-1:123456789012:function:rotate';

/** The token number n, as long as the service asks for. */
export function token(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

/**
 * The state machine with the state that its calls leave, which is frozen all through: a call that changed the state it
 * was given would throw.
 */
export class StateMachine {
  state: ServiceState = { secrets: {} };
  now = START;
  behaviour: Behaviour;
  #ids = 1000;
  #bytes = 0;

  constructor(behaviour: Partial<Behaviour> = {}) {
    this.behaviour = { ...BEHAVIOUR, ...behaviour };
  }

  get context(): CallContext {
    return {
      now: this.now,
      region: 'us-east-1',
      accountId: '123456789012',
      behaviour: this.behaviour,
      newId: () => token((this.#ids += 1)),
      randomBytes: (length) => Uint8Array.from({ length }, () => (this.#bytes = (this.#bytes * 5 + 113) % 256)),
    };
  }

  call(name: OperationName, input: unknown): Readonly<Record<string, unknown>> {
    const { state, output } = perform(this.state, name, input, this.context);
    this.state = frozen(state);
    return output;
  }

  apply(transition: (state: ServiceState, context: CallContext) => ServiceState): void {
    this.state = frozen(transition(this.state, this.context));
  }

  /** `Type: message` of a call that has to be refused, and has to leave the state alone. */
  refusal(name: OperationName, input: unknown): string {
    try {
      perform(this.state, name, input, this.context);
    } catch (error) {
      if (error instanceof ServiceError) return `${error.type}: ${error.message}`;
      throw error;
    }
    throw new Error(`${name} was not refused`);
  }

  /** A secret named `a` whose value `v1` is under token 1. */
  withSecret(): this {
    this.call('CreateSecret', { Name: 'a', ClientRequestToken: token(1), SecretString: 'v1' });
    return this;
  }

  put(n: number, stages?: readonly string[], value = `v${n}`): Readonly<Record<string, unknown>> {
    return this.call('PutSecretValue', {
      SecretId: 'a',
      ClientRequestToken: token(n),
      SecretString: value,
      ...(stages === undefined ? {} : { VersionStages: stages }),
    });
  }

  rotate(n: number, input: object = {}): Readonly<Record<string, unknown>> {
    return this.call('RotateSecret', {
      SecretId: 'a',
      ClientRequestToken: token(n),
      RotationLambdaARN: LAMBDA,
      ...input,
    });
  }

  get secret(): Secret {
    const secret = Object.values(this.state.secrets).find(({ name }) => name === 'a');
    if (secret === undefined) throw new Error('There is no secret named a');
    return secret;
  }

  get arn(): string {
    return this.secret.arn;
  }

  /** The labels by the number of the token. */
  get labels(): Record<number, string> {
    const entries = Object.entries(this.secret.versions).map(([id, version]): [number, string] => [
      Number(id.slice(-12)),
      [...version.stages].sort().join(' '),
    ]);
    return Object.fromEntries(entries);
  }
}

/** Frozen all the way down; what is frozen already is not looked into again. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  Object.values(value).forEach(frozen);
  return value;
}
