import {
  beginScheduledRotation,
  isAbandoned,
  rotationSucceeded,
  testSucceeded,
} from '../../../src/local/service/rotation-state.ts';
import type { Behaviour, CallContext, ServiceState } from '../../../src/local/service/state.ts';
import { unfinishedVersion } from '../../../src/local/service/version-stages.ts';
import { STEPS, type Step } from '../../../src/steps/rotation-request.ts';
import { Answers } from './answers.ts';
import { handMade, isHandMade } from './manual-changes.ts';
import { Histories, settled, type History } from './history.ts';
import { aDayLater, checkFresh, observe, type Cause, type Memory } from './monitors/monitor.ts';
import type { CommandLine, Product } from './product.ts';
import {
  isReading,
  SECRET_ARN,
  TIME_OF_COMMAND,
  TIME_OF_STEP,
  type Call,
  type Next,
  type Reply,
  type Setting,
} from './program.ts';
import { check, claimsOf, shownBy, shownIn } from './monitors/report-monitor.ts';
import { Violation } from './seen-secret.ts';
import { performOn } from './service-calls.ts';
import {
  contextOf,
  LAMBDA_ARN,
  secretOf,
  tokenOf,
  type Actor,
  type Attempt,
  type Command,
  type Operation,
  type Past,
  type World,
} from './world.ts';

/** Something that may happen next. `fate` says what becomes of an actor's call. */
export type Move =
  | {
      readonly kind: 'call';
      readonly actor: Actor;
      readonly fate: Fate;
      /** The answer shows none of so many last writes. Absent: it is up to date. */
      readonly writesOld?: number;
    }
  | { readonly kind: 'service cleans up'; readonly token: string; readonly run: 'rotation' | 'test' }
  | { readonly kind: 'service rotates' }
  | { readonly kind: 'operation'; readonly operator: number; readonly operation: Operation }
  | { readonly kind: 'a day passes' };

type MoveOfActor = Extract<Move, { kind: 'call' }>;

/** `repeated`: the answer is lost and the SDK makes the very same call again. */
export type Fate = 'answered' | 'killed before' | 'killed after' | 'repeated';

/** What an exploration allows and expects beyond the service's own rules. */
export interface Rules {
  /** By how many writes an answer to a reading call may be old. */
  readonly writesOld: number;
  /** Which of the things that a command reports must be so when it ends: no one else can have changed them. */
  readonly reports: 'all' | 'of numbers' | 'none';
}

/** The rules by which a world moves: the service's, the product's and the operators'. */
export class Moves {
  readonly product: Product;
  readonly behaviour: Behaviour;
  readonly #rules: Rules;
  readonly #histories = new Histories();
  readonly #answers: Answers;

  constructor(product: Product, behaviour: Behaviour, rules: Rules = { writesOld: 0, reports: 'none' }) {
    this.product = product;
    this.behaviour = behaviour;
    this.#rules = rules;
    this.#answers = new Answers(behaviour);
  }

  /** Everything that may happen in this world. None: it is at its end. */
  possible(world: World): Move[] {
    const moves: Move[] = [];
    for (const actor of world.actors) {
      moves.push({ kind: 'call', actor, fate: 'answered' });
      moves.push(...this.#staleAnswers(world, actor));
      if (world.faults === 0) continue;
      moves.push({ kind: 'call', actor, fate: 'killed before' });
      if (isReading(actor.call)) continue;
      moves.push({ kind: 'call', actor, fate: 'killed after' }, { kind: 'call', actor, fate: 'repeated' });
    }
    if (world.toCleanUp !== undefined) moves.push({ kind: 'service cleans up', ...world.toCleanUp });
    else if (world.rotations > 0 && this.#mayRotate(world)) moves.push({ kind: 'service rotates' });
    world.operators.forEach(([operation], operator) => {
      const isBusy = world.actors.some((actor) => actor.kind === 'command' && actor.operator === operator);
      if (operation !== undefined && !isBusy) moves.push({ kind: 'operation', operator, operation });
    });
    if (world.days > 0 && !world.actors.some(isLambda)) moves.push({ kind: 'a day passes' });
    return moves;
  }

  /** The world after a move. Throws `Violation` where it breaks an invariant. */
  after(world: World, move: Move): World | Promise<World> {
    return settled(() => this.#after(world, move));
  }

  #after(world: World, move: Move): World {
    switch (move.kind) {
      case 'call':
        return this.#afterCall(world, move);
      case 'service cleans up': {
        const succeeded = move.run === 'test' ? testSucceeded : rotationSucceeded;
        const service = succeeded(world.service, SECRET_ARN, move.token, this.#context(world));
        return this.#changed({ ...world, toCleanUp: undefined }, service, {});
      }
      case 'service rotates':
        return this.#startRotation(world, true);
      case 'operation':
        return this.#operate(world, move.operator, move.operation);
      case 'a day passes': {
        const day = world.day + 1;
        const memory = aDayLater(world.memory, secretOf(world.service));
        const service = this.#answers.sameOf(world.service, day);
        return { ...world, service, day, days: world.days - 1, memory, past: [] };
      }
    }
  }

  /** `RotateSecret` with a new token; where the service says that it reattempts a previous rotation, that one runs. */
  startRotation(world: World, options: { readonly RotateImmediately: boolean }): World | Promise<World> {
    return settled(() => this.#startRotation(world, options.RotateImmediately));
  }

  #startRotation(world: World, RotateImmediately: boolean): World {
    const token = tokenOf(world.started + 1);
    const input = { SecretId: SECRET_ARN, ClientRequestToken: token, RotationLambdaARN: LAMBDA_ARN, RotateImmediately };
    const started = { ...world, rotations: world.rotations - 1, started: world.started + 1 };
    const { service, reply } = performOn(world.service, 'RotateSecret', input, this.#context(world));
    const changed = this.#changed(started, service, {});
    return this.#withRotation(changed, reply, token, RotateImmediately ? STEPS : ['testSecret']);
  }

  /** One more run of the steps with a token, beside whatever runs already. */
  withOverlap(world: World, token: string): World | Promise<World> {
    return settled(() => this.#withAttempt(world, token, STEPS));
  }

  /** What the service does by itself after `RotateSecret`. */
  #withRotation(world: World, reply: Reply, token: string, steps: readonly Step[]): World {
    if ('output' in reply) return this.#withAttempt(world, token, steps);
    const unfinished = unfinishedVersion(secretOf(world.service).versions);
    if (unfinished === undefined || hasAttempt(world, unfinished)) return world;
    const service = beginScheduledRotation(world.service, SECRET_ARN, this.#context(world));
    return this.#withAttempt(this.#changed(world, service, {}), unfinished, STEPS);
  }

  #mayRotate(world: World): boolean {
    const token = secretOf(world.service).rotation?.underWay?.token;
    if (token !== undefined && !isAbandoned(world.service, SECRET_ARN, token)) return false;
    return world.started === 0 || world.operators.every((operations) => operations.length === 0);
  }

  #afterCall(world: World, { actor, fate, writesOld = 0 }: MoveOfActor): World {
    if (writesOld > 0) return this.#afterStaleAnswer(world, actor, world.past[writesOld - 1]);
    const faults = fate === 'answered' ? world.faults : world.faults - 1;
    const others = world.actors.filter((other) => other !== actor);
    if (fate === 'killed before') return this.#died({ ...world, faults, actors: others }, actor);

    const begun = beginStep(actor, world.memory);
    const first = this.#answers.answer(world.service, begun.call, world.day);
    const { service, reply } = fate === 'repeated' ? this.#answers.answer(first.service, begun.call, world.day) : first;
    const changed = this.#changed({ ...world, faults, actors: others }, service, causeOf(begun));
    const after = begun.call.operation === 'rotateSecret' ? this.#rotated(changed, begun.call, reply) : changed;
    if (fate === 'killed after') return this.#died(after, actor);
    return this.#goOn(after, begun, reply);
  }

  #afterStaleAnswer(world: World, actor: Actor, past: Past | undefined): World {
    if (past === undefined) throw new Error('there was no such moment');
    const begun = beginStep(actor, past.memory);
    const { reply } = this.#answers.answer(past.service, begun.call, world.day);
    const staleAnswers = world.staleAnswers - 1;
    const after = {
      ...world,
      actors: world.actors.filter((other) => other !== actor),
      staleAnswers,
      past: staleAnswers === 0 ? [] : world.past,
    };
    return this.#goOn(after, begun, reply);
  }

  #goOn(world: World, before: Actor, reply: Reply): World {
    const history = this.#histories.extend(before.history, reply);
    const actor = before.kind === 'attempt' ? before : { ...before, seen: seenAfter(before, reply) };
    const next = this.#next(actor, history);
    if (next.kind === 'call') return withActor(world, { ...actor, history, call: next.call });
    if (next.kind === 'failed' && next.code === 'UNEXPECTED') {
      throw new Violation(`${nameOfActor(actor)} ended with an error that is none of ours`);
    }
    if (actor.kind === 'command') {
      if (next.kind === 'done') this.#checkReport(world, actor, next.result);
      return world;
    }
    if (next.kind === 'failed') return this.#died(world, actor);
    const rest = actor.steps.slice(1);
    if (rest.length > 0) return this.#withAttempt(world, actor.token, rest, actor.id);
    if (actor.steps[0] === 'finishSecret') checkFresh(world.memory, actor.token);
    return { ...world, toCleanUp: { token: actor.token, run: actor.steps[0] === 'testSecret' ? 'test' : 'rotation' } };
  }

  /**
   * What a command reports as done is so, where no one else is at work, and a description from after its last write has
   * shown it.
   */
  #checkReport({ service, actors }: World, { line, seen }: Command, result: unknown): void {
    const { reports } = this.#rules;
    const claims = claimsOf(line, result);
    const isAlone = reports === 'all' && actors.length === 0;
    const lasting = claims.filter(({ isOfNumbers }) => isOfNumbers || isAlone);
    if (reports !== 'none') check(line, lasting, shownBy(secretOf(service)));
    if (seen === 'not looked') throw new Violation(`${line} ended without a look at what it has written`);
    if (seen !== 'nothing written') check(`${line}, by what it has seen,`, claims, shownIn(seen));
  }

  /** The one who began it does it again: an operator a command, the service the whole rotation. */
  #died(world: World, actor: Actor): World {
    if (actor.kind === 'attempt') return this.#retried(world, actor);
    if (actor.line === 'adoption') {
      if (world.retries === 0) return world;
      return this.#withCommand({ ...world, retries: world.retries - 1 }, actor.line, actor.operator);
    }
    if (world.repeats === 0) return world;
    return this.#withCommand({ ...world, repeats: world.repeats - 1 }, actor.line, actor.operator);
  }

  /** The service runs the whole rotation again, unless another run of it is alive or it was abandoned. */
  #retried(world: World, { token }: Attempt): World {
    if (world.retries === 0 || hasAttempt(world, token) || isAbandoned(world.service, SECRET_ARN, token)) return world;
    return this.#withAttempt({ ...world, retries: world.retries - 1 }, token, STEPS);
  }

  #operate(before: World, operator: number, operation: Operation): World {
    const operators = before.operators.map((all, index) => (index === operator ? all.slice(1) : all));
    const world = { ...before, operators };
    if (!isHandMade(operation)) return this.#withCommand(world, operation, operator);
    const { service } = performOn(world.service, ...handMade(operation, world), this.#context(world));
    const changed = this.#changed(world, service, {});
    return operation === 'cancel' ? changed : this.#withCommand(changed, 'adoption', undefined);
  }

  #withAttempt(world: World, token: string, steps: readonly Step[], id = world.nextId): World {
    const { day } = world;
    const { empty: history } = this.#histories;
    const attempt = { kind: 'attempt' as const, id, day, token, steps, leftBeforeStep: [], history };
    const next = this.#next(attempt, history);
    if (next.kind !== 'call') throw new Error(`${nameOfActor(attempt)} must begin with a call`);
    return withActor({ ...world, nextId: Math.max(world.nextId, id + 1) }, { ...attempt, call: next.call });
  }

  #withCommand(world: World, line: CommandLine, operator: number | undefined): World {
    const { day, nextId: id } = world;
    const { empty: history } = this.#histories;
    const command = { kind: 'command' as const, id, day, line, operator, history, seen: 'nothing written' as const };
    const next = this.#next(command, history);
    if (next.kind !== 'call') throw new Error(`${line} must begin with a call`);
    return withActor({ ...world, nextId: id + 1 }, { ...command, call: next.call });
  }

  /** What tells a run of a step or command from another. */
  settingOf(actor: Omit<Attempt, 'call'> | Omit<Command, 'call'>): Setting {
    const isAlone = actor.kind === 'command' && this.#rules.reports === 'all';
    return { seed: actor.id, day: actor.day, timeLimit: isAlone ? TIME_OF_COMMAND : TIME_OF_STEP };
  }

  #next(actor: Omit<Attempt, 'call'> | Omit<Command, 'call'>, history: History): Next {
    const { product } = this;
    const setting = this.settingOf(actor);
    if (actor.kind === 'command') {
      const { line } = actor;
      return this.#histories.next(line, (deps) => product.runCommand(deps, line), history, setting);
    }
    const { token } = actor;
    const step = actor.steps[0] ?? 'createSecret';
    return this.#histories.next(`${step} ${token}`, (deps) => product.runStep(deps, step, token), history, setting);
  }

  #rotated(world: World, { input }: Call, reply: Reply): World {
    const { ClientRequestToken: token } = input;
    return typeof token === 'string' ? this.#withRotation(world, reply, token, STEPS) : world;
  }

  #changed(world: World, after: ServiceState, cause: Cause): World {
    const service = this.#answers.sameOf(after, world.day);
    if (service === world.service) return world;
    const memory = observe(world.memory, secretOf(world.service), secretOf(service), cause);
    const { writesOld } = this.#rules;
    const past = [{ service: world.service, memory: world.memory }, ...world.past];
    return { ...world, service, memory, past: world.staleAnswers === 0 ? [] : past.slice(0, writesOld) };
  }

  /** Every answer of the past that differs from the one of now, and from later ones of the past. */
  #staleAnswers({ service, staleAnswers, past, day }: World, actor: Actor): readonly Move[] {
    const { call } = actor;
    if (staleAnswers === 0 || !isReading(call) || call.hasWaited) return [];
    const replies = [service, ...past.map((at) => at.service)].map((at) =>
      JSON.stringify(this.#answers.answer(at, call, day).reply),
    );
    return past.flatMap((_, index): readonly Move[] =>
      replies.indexOf(replies[index + 1] ?? '') === index + 1
        ? [{ kind: 'call', actor, fate: 'answered', writesOld: index + 1 }]
        : [],
    );
  }

  #context({ day }: World): CallContext {
    return contextOf(this.behaviour, day);
  }
}

/** A Lambda lives for a quarter of an hour at most; a command may wait for its operator as long as that likes. */
function isLambda(actor: Actor): boolean {
  return actor.kind === 'attempt' || actor.line === 'adoption';
}

/** What a command has seen of its writes, after one more reply. */
function seenAfter({ call, seen }: Command, reply: Reply): Command['seen'] {
  if (!('output' in reply)) return seen;
  if (!isReading(call)) return 'not looked';
  return call.operation === 'describeSecret' && seen !== 'nothing written' ? reply.output : seen;
}

function hasAttempt(world: World, token: string): boolean {
  return world.actors.some((actor) => actor.kind === 'attempt' && actor.token === token);
}

/** What has left `AWSCURRENT` by the first description that a step is given, it can know. */
function beginStep(actor: Actor, memory: Memory): Actor {
  if (actor.kind !== 'attempt' || actor.history.replies.length > 0) return actor;
  return { ...actor, leftBeforeStep: memory.left };
}

function causeOf(actor: Actor): Cause {
  if (actor.kind === 'command') return { command: actor.line };
  return { step: { token: actor.token, leftBefore: actor.leftBeforeStep } };
}

function withActor(world: World, actor: Actor): World {
  return { ...world, actors: [...world.actors, actor] };
}

/** An actor as a schedule is told. */
export function nameOfActor(actor: Omit<Attempt, 'call'> | Omit<Command, 'call'>): string {
  return actor.kind === 'attempt' ? `attempt ${actor.id} ${actor.steps[0] ?? ''}` : `${actor.line} (${actor.id})`;
}
