import type { Behaviour, CallContext, Secret, ServiceState } from '../../src/local/state.ts';
import type { Step } from '../../src/steps/rotation-request.ts';
import type { History } from './history.ts';
import type { Memory } from './monitor.ts';
import { NOW, type Call } from './program.ts';

export const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf';
export const LAMBDA_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation';

/** A run of the four steps with one token. Two attempts of one token overlap where the service took one for dead. */
export interface Attempt {
  readonly kind: 'attempt';
  readonly id: number;
  readonly token: string;
  /** Steps still to run; the first one is under way. */
  readonly steps: readonly Step[];
  readonly history: History;
  readonly call: Call;
  /** Versions that had left `AWSCURRENT` when the step made its first call. */
  readonly leftBeforeStep: readonly string[];
}

/** An adoption after a change by hand, or an operator's command. */
export interface OtherActor {
  readonly kind: 'adoption' | 'rollback';
  readonly id: number;
  readonly history: History;
  readonly call: Call;
}

export type Actor = Attempt | OtherActor;

/** What somebody does once, at any moment. */
export type Operation = 'put by hand' | 'rollback by hand' | 'rollback' | 'cancel';

/** Everything at one moment of an exploration. */
export interface World {
  readonly service: ServiceState;
  readonly actors: readonly Actor[];
  readonly memory: Memory;
  readonly operation: Operation | undefined;
  /** Calls that may still be killed. */
  readonly faults: number;
  /** Times that the service may still run the steps again with the same token. */
  readonly retries: number;
  /** Rotations that may still be started, and how many were. */
  readonly rotations: number;
  readonly started: number;
  /** The rotation or test run whose last step has answered well, and which the service has not cleaned up after yet. */
  readonly toCleanUp: { readonly token: string; readonly run: 'rotation' | 'test' } | undefined;
  readonly nextId: number;
}

/** Names a world so that two with the same future have the same name. */
export function nameOf(world: World): string {
  const { service, actors, memory, ...rest } = world;
  const names = [nameOfSecret(secretOf(service)), nameOfMemory(memory), JSON.stringify(rest)];
  return [...names, ...actors.map(nameOfActor).sort()].join('\n');
}

const nameOfSecret = remembered((secret: Secret) => JSON.stringify([labelsOf(secret), secret.rotation]));
const nameOfMemory = remembered((memory: Memory) => JSON.stringify(memory));
const nameOfActor = remembered((actor: Actor) => {
  const about =
    actor.kind === 'attempt' ? `${actor.token} ${actor.steps.length} ${actor.leftBeforeStep.join(' ')}` : '';
  return `${actor.kind} ${actor.id} ${actor.history.id} ${about}`;
});

/** Most moves leave most of a world as it is, object by object, so what was spelled once need not be again. */
function remembered<T extends object>(spell: (value: T) => string): (value: T) => string {
  const known = new WeakMap<T, string>();
  return (value) => {
    let spelled = known.get(value);
    if (spelled === undefined) {
      spelled = spell(value);
      known.set(value, spelled);
    }
    return spelled;
  };
}

export function secretOf(service: ServiceState): Secret {
  const secret = service.secrets[ARN];
  if (secret === undefined) throw new Error('the explored secret is gone');
  return secret;
}

/** ClientRequestToken of the n-th rotation; at least 32 characters, as the service asks for. */
export function tokenOf(rotation: number): string {
  return `rotation-${rotation}`.padEnd(32, '-');
}

/** Labels and values by version, in one order: the order in which labels were attached has no meaning. */
export function labelsOf(secret: Secret): readonly (readonly [string, string, string])[] {
  return Object.entries(secret.versions)
    .map(([id, { stages, value }]) => {
      const text = value?.kind === 'string' ? value.text : '';
      return [id, [...stages].sort().join(' '), text] as const;
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

export function contextOf(behaviour: Behaviour): CallContext {
  return {
    now: NOW,
    region: 'us-east-1',
    accountId: '123456789012',
    behaviour,
    newId: () => {
      throw new Error('an exploration names every version itself');
    },
    randomBytes: () => {
      throw new Error('an exploration draws nothing at random');
    },
  };
}
