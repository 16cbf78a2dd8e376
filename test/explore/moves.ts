import { perform, type OperationName } from '../../src/local/perform.ts';
import { isAbandoned, rotationSucceeded, testSucceeded } from '../../src/local/rotation-state.ts';
import { ServiceError } from '../../src/local/service-error.ts';
import type { Behaviour, CallContext, ServiceState } from '../../src/local/state.ts';
import { STEPS, type Step } from '../../src/steps/rotation-request.ts';
import { Histories, type History } from './history.ts';
import { checkFresh, observe, type Cause } from './monitor.ts';
import type { Product } from './product.ts';
import type { Call, Next, Reply } from './program.ts';
import {
  ARN,
  contextOf,
  LAMBDA_ARN,
  secretOf,
  tokenOf,
  type Actor,
  type Attempt,
  type OtherActor,
  type World,
} from './world.ts';

/** Something that may happen next. `fate` says what becomes of an actor's call. */
export type Move =
  | { readonly kind: 'call'; readonly actor: Actor; readonly fate: Fate }
  | { readonly kind: 'service cleans up'; readonly token: string; readonly run: 'rotation' | 'test' }
  | { readonly kind: 'service rotates' }
  | { readonly kind: 'operation'; readonly operation: NonNullable<World['operation']> };

/** `repeated`: the answer is lost and the SDK makes the very same call again. */
export type Fate = 'answered' | 'killed before' | 'killed after' | 'repeated';

const OPERATION = {
  describeSecret: 'DescribeSecret',
  getSecretValue: 'GetSecretValue',
  putSecretValue: 'PutSecretValue',
  updateSecretVersionStage: 'UpdateSecretVersionStage',
} as const;

/** A key that somebody puts by hand. */
export const HAND_KEY = Buffer.alloc(32, 0x77).toString('base64');

/** The rules by which a world moves: the service's, the product's and the operator's. */
export class Moves {
  readonly #product: Product;
  readonly #histories = new Histories();
  readonly context: CallContext;

  constructor(product: Product, behaviour: Behaviour) {
    this.#product = product;
    this.context = contextOf(behaviour);
  }

  /** Everything that may happen in this world. None: it is at its end. */
  possible(world: World): Move[] {
    const moves: Move[] = [];
    for (const actor of world.actors) {
      moves.push({ kind: 'call', actor, fate: 'answered' });
      if (world.faults === 0) continue;
      moves.push({ kind: 'call', actor, fate: 'killed before' });
      const { operation } = actor.call;
      // What reads has no effect that an answer could be lost after.
      if (operation === 'describeSecret' || operation === 'getSecretValue') continue;
      moves.push({ kind: 'call', actor, fate: 'killed after' }, { kind: 'call', actor, fate: 'repeated' });
    }
    if (world.toCleanUp !== undefined) moves.push({ kind: 'service cleans up', ...world.toCleanUp });
    else if (world.rotations > 0 && this.#mayRotate(world)) moves.push({ kind: 'service rotates' });
    if (world.operation !== undefined) moves.push({ kind: 'operation', operation: world.operation });
    return moves;
  }

  /** The world after a move. Throws `Violation` where it breaks an invariant. */
  async after(world: World, move: Move): Promise<World> {
    switch (move.kind) {
      case 'call':
        return this.#afterCall(world, move.actor, move.fate);
      case 'service cleans up': {
        const succeeded = move.run === 'test' ? testSucceeded : rotationSucceeded;
        const service = succeeded(world.service, ARN, move.token, this.context);
        return this.#changed({ ...world, toCleanUp: undefined }, service, {});
      }
      case 'service rotates':
        return this.startRotation(world, { RotateImmediately: true });
      case 'operation':
        return this.#operate({ ...world, operation: undefined }, move.operation);
    }
  }

  /** `RotateSecret` with a new token; where the service says that it reattempts a previous rotation, that one runs. */
  async startRotation(world: World, options: { readonly RotateImmediately: boolean }): Promise<World> {
    const token = tokenOf(world.started + 1);
    const input = { SecretId: ARN, ClientRequestToken: token, RotationLambdaARN: LAMBDA_ARN, ...options };
    const started = { ...world, rotations: world.rotations - 1, started: world.started + 1 };
    const { service, reply } = this.#call(world.service, 'RotateSecret', input);
    const changed = this.#changed(started, service, {});
    if ('output' in reply) {
      return this.#withAttempt(changed, token, options.RotateImmediately ? STEPS : ['testSecret']);
    }
    const pending = Object.entries(secretOf(service).versions).find(([, { stages }]) => stages.includes('AWSPENDING'));
    return pending === undefined ? changed : this.#withAttempt(changed, pending[0], STEPS);
  }

  /** One more run of the steps with a token, beside whatever runs already. */
  async withOverlap(world: World, token: string): Promise<World> {
    return this.#withAttempt(world, token, STEPS);
  }

  #mayRotate(world: World): boolean {
    const token = secretOf(world.service).rotation?.underWay?.token;
    if (token !== undefined && !isAbandoned(world.service, ARN, token)) return false;
    return world.operation === undefined || world.started === 0;
  }

  async #afterCall(world: World, actor: Actor, fate: Fate): Promise<World> {
    const faults = fate === 'answered' ? world.faults : world.faults - 1;
    const others = world.actors.filter((other) => other !== actor);
    if (fate === 'killed before') return this.#died({ ...world, faults, actors: others }, actor);

    const begun = beginStep(actor, world);
    const first = this.#perform(world.service, begun.call);
    const { service, reply } = fate === 'repeated' ? this.#perform(first.service, begun.call) : first;
    const cause = begun.kind === 'attempt' ? { step: { token: begun.token, leftBefore: begun.leftBeforeStep } } : {};
    const changed = this.#changed({ ...world, faults, actors: others }, service, cause);
    if (fate === 'killed after') return this.#died(changed, actor);
    return this.#goOn(changed, begun, this.#histories.extend(begun.history, reply));
  }

  async #goOn(world: World, actor: Actor, history: History): Promise<World> {
    const next = await this.#next(actor, history);
    if (next.kind === 'call') return withActor(world, { ...actor, history, call: next.call });
    if (actor.kind !== 'attempt') return world;
    if (next.kind === 'failed') return this.#died(world, actor);
    const rest = actor.steps.slice(1);
    if (rest.length > 0) return this.#withAttempt(world, actor.token, rest, actor.id);
    if (actor.steps[0] === 'finishSecret') checkFresh(world.memory, actor.token);
    return { ...world, toCleanUp: { token: actor.token, run: actor.steps[0] === 'testSecret' ? 'test' : 'rotation' } };
  }

  /** The service runs the whole rotation again, unless another run of it is alive or it was abandoned. */
  async #died(world: World, actor: Actor): Promise<World> {
    if (actor.kind === 'rollback' || world.retries === 0) return world;
    const retried = { ...world, retries: world.retries - 1 };
    if (actor.kind !== 'attempt') return this.#withOther(retried, 'adoption');
    const { token } = actor;
    if (world.actors.some((other) => other.kind === 'attempt' && other.token === token)) return world;
    if (isAbandoned(world.service, ARN, token)) return world;
    return this.#withAttempt(retried, token, STEPS);
  }

  async #operate(world: World, operation: NonNullable<World['operation']>): Promise<World> {
    if (operation === 'rollback') return this.#withOther(world, 'rollback');
    const { service } = this.#call(world.service, ...handMade(operation, world));
    const changed = this.#changed(world, service, {});
    return operation === 'cancel' ? changed : this.#withOther(changed, 'adoption');
  }

  async #withAttempt(world: World, token: string, steps: readonly Step[], id = world.nextId): Promise<World> {
    const attempt = { kind: 'attempt' as const, id, token, steps, leftBeforeStep: [], history: this.#histories.empty };
    const next = await this.#next(attempt, attempt.history);
    if (next.kind !== 'call') throw new Error(`${steps[0] ?? 'no step'} must begin with a call`);
    return withActor({ ...world, nextId: Math.max(world.nextId, id + 1) }, { ...attempt, call: next.call });
  }

  async #withOther(world: World, kind: OtherActor['kind']): Promise<World> {
    const other = { kind, id: world.nextId, history: this.#histories.empty };
    const next = await this.#next(other, other.history);
    if (next.kind !== 'call') throw new Error(`${kind} must begin with a call`);
    return withActor({ ...world, nextId: world.nextId + 1 }, { ...other, call: next.call });
  }

  async #next(actor: Omit<Attempt, 'call'> | Omit<OtherActor, 'call'>, history: History): Promise<Next> {
    if (actor.kind !== 'attempt') {
      return this.#histories.next(actor.kind, (deps) => this.#product[actor.kind](deps, ARN), history, 0);
    }
    const { token, id } = actor;
    const step = actor.steps[0] ?? 'createSecret';
    return this.#histories.next(
      `${step} ${token}`,
      (deps) => this.#product.runStep(deps, step, ARN, token),
      history,
      id,
    );
  }

  #changed(world: World, service: ServiceState, cause: Cause): World {
    if (service === world.service) return world;
    const memory = observe(world.memory, secretOf(world.service), secretOf(service), cause);
    return { ...world, service, memory };
  }

  #perform(service: ServiceState, call: Call) {
    return this.#call(service, OPERATION[call.operation], call.input);
  }

  #call(service: ServiceState, operation: OperationName, input: unknown): { service: ServiceState; reply: Reply } {
    try {
      const { state, output } = perform(service, operation, input, this.context);
      return { service: state, reply: { output: canonical(output) } };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { service, reply: { error: { name: error.type, message: error.message } } };
    }
  }
}

/** The moment at which a step begins is that of its first call: what has left `AWSCURRENT` by then, it can know. */
function beginStep(actor: Actor, world: World): Actor {
  if (actor.kind !== 'attempt' || actor.history.replies.length > 0) return actor;
  return { ...actor, leftBeforeStep: world.memory.left };
}

function withActor(world: World, actor: Actor): World {
  return { ...world, actors: [...world.actors, actor] };
}

/** The call by which somebody does something by hand. */
export function handMade(
  operation: 'put by hand' | 'rollback by hand' | 'cancel',
  world: World,
): readonly [OperationName, object] {
  const secret = secretOf(world.service);
  const holder = (label: string) =>
    Object.keys(secret.versions).find((id) => secret.versions[id]?.stages.includes(label));
  switch (operation) {
    case 'put by hand':
      return [
        'PutSecretValue',
        { SecretId: ARN, ClientRequestToken: 'by-hand'.padEnd(32, '-'), SecretString: HAND_KEY },
      ];
    case 'rollback by hand': {
      const move = { MoveToVersionId: holder('AWSPREVIOUS'), RemoveFromVersionId: holder('AWSCURRENT') };
      return ['UpdateSecretVersionStage', { SecretId: ARN, VersionStage: 'AWSCURRENT', ...move }];
    }
    case 'cancel':
      return ['CancelRotateSecret', { SecretId: ARN }];
  }
}

/** Keeps of an answer what a step can see and what has a meaning: no dates. The service lists labels in one order. */
function canonical(output: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { RotationEnabled, DeletedDate, VersionIdsToStages, SecretString, VersionStages } = output;
  return { RotationEnabled, DeletedDate, VersionIdsToStages, SecretString, VersionStages };
}
