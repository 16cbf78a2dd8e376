import type { Behaviour, CallContext, Secret, ServiceState } from '../../../src/local/service/state.ts';
import type { Step } from '../../../src/steps/rotation-request.ts';
import type { History } from './history.ts';
import type { Memory } from './monitors/monitor.ts';
import type { CommandLine } from './product.ts';
import { momentOf, SECRET_ARN, type Call, type Output } from './program.ts';

export const LAMBDA_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation';

/** A run of the four steps with one token. Two attempts of one token overlap where the service took one for dead. */
export interface Attempt {
  readonly kind: 'attempt';
  readonly id: number;
  /** The day on which its step began. */
  readonly day: number;
  readonly token: string;
  /** Steps still to run; the first one is under way. */
  readonly steps: readonly Step[];
  readonly history: History;
  readonly call: Call;
  /** Versions that had left `AWSCURRENT` when the step made its first call. */
  readonly leftBeforeStep: readonly string[];
}

/** An operator's command, or an adoption by the Lambda. */
export interface Command {
  readonly kind: 'command';
  readonly id: number;
  /** The day on which it began. */
  readonly day: number;
  readonly line: CommandLine;
  /** Who waits for its end; no one for an adoption after a change by hand. */
  readonly operator: number | undefined;
  readonly history: History;
  readonly call: Call;
  /** The last description since its last write. Follows from its history. */
  readonly seen: 'nothing written' | 'not looked' | Output;
}

export type Actor = Attempt | Command;

/** What someone does without our commands, by one call. */
export type HandMade = 'put by hand' | 'rollback by hand' | 'cancel';

/** What an operator does once, at any moment. */
export type Operation = HandMade | CommandLine;

/** A moment before the last writes, as a description may still show it. */
export interface Past {
  readonly service: ServiceState;
  readonly memory: Memory;
}

/** Everything at one moment of an exploration. */
export interface World {
  readonly service: ServiceState;
  readonly actors: readonly Actor[];
  readonly memory: Memory;
  /** What each operator has still to do, one after the other. */
  readonly operators: readonly (readonly Operation[])[];
  /** Calls that may still be killed. */
  readonly faults: number;
  /** Descriptions that may still be older than the last write. */
  readonly staleAnswers: number;
  /** The moments that such a description may show, the latest first; none where none may be old. */
  readonly past: readonly Past[];
  /** Times that the service may still run the steps again with the same token, or the Lambda's adoption. */
  readonly retries: number;
  /** Times that an operator may still run a command again that was killed. */
  readonly repeats: number;
  /** Rotations that may still be started, and how many were. */
  readonly rotations: number;
  readonly started: number;
  /** The rotation or test run whose last step has answered well, and which the service has not cleaned up after yet. */
  readonly toCleanUp: { readonly token: string; readonly run: 'rotation' | 'test' } | undefined;
  /** Today, and the days that may still pass. */
  readonly day: number;
  readonly days: number;
  readonly nextId: number;
}

/**
 * Names worlds so that two with the same future have the same name. Most moves leave most of a world as it is, object by
 * object: a part is spelled once, and stands in the name as the number of its spelling.
 */
export class WorldNames {
  readonly #spellings = new Map<string, number>();
  readonly #numbers = new Map<object, number>();

  nameOf(world: World): string {
    const { faults, staleAnswers, retries, repeats, rotations, started, toCleanUp, day, days, nextId } = world;
    let name = `${faults} ${staleAnswers} ${retries} ${repeats} ${rotations} ${started} ${day} ${days} ${nextId}`;
    name += ` ${this.#numberOf(world.operators, JSON.stringify)}`;
    name += toCleanUp === undefined ? '' : ` ${toCleanUp.run} ${toCleanUp.token}`;
    for (const { service, memory } of [world, ...world.past])
      name += ` ${this.#numberOf(service, nameOfService)} ${this.#numberOf(memory, nameOfMemory)}`;
    const actors = world.actors.map((actor) => this.#numberOf(actor, nameOfActor));
    return `${name} : ${actors.sort((one, other) => one - other).join(' ')}`;
  }

  #numberOf<T extends object>(part: T, spell: (part: T) => string): number {
    let number = this.#numbers.get(part);
    if (number === undefined) {
      const spelling = spell(part);
      number = this.#spellings.get(spelling) ?? this.#spellings.size;
      this.#spellings.set(spelling, number);
      this.#numbers.set(part, number);
    }
    return number;
  }
}

const nameOfService = ({ secrets }: ServiceState) => nameOfSecret(secretOf({ secrets }));
/** One name for secrets of which the same can become. */
export const nameOfSecret = remembered((secret: Secret) =>
  JSON.stringify([labelsOf(secret), secret.rotation, tagsOf(secret), secret.lastChangedDate, kmsKeysOf(secret)]),
);
export const nameOfMemory = remembered((memory: Memory) => JSON.stringify(memory));

function nameOfActor(actor: Actor): string {
  const about =
    actor.kind === 'attempt'
      ? `${actor.token} ${actor.steps.length} ${actor.leftBeforeStep.join(' ')}`
      : `${actor.line} ${actor.operator ?? ''}`;
  return `${actor.kind} ${actor.id} ${actor.day} ${actor.history.id} ${about}`;
}

/** Spells an object once, as long as it is there. */
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
  const secret = service.secrets[SECRET_ARN];
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

/** The KMS keys of the secret and of its versions; the one that AWS manages has no name. */
function kmsKeysOf({ kmsKeyId = '', versions }: Secret): readonly string[] {
  const ofVersions = Object.entries(versions).flatMap(([id, version]) =>
    version.kmsKeyId === undefined ? [] : [`${id} ${version.kmsKeyId}`],
  );
  return [kmsKeyId, ...ofVersions.sort()];
}

/** Tags in one order, each as one text. */
function tagsOf(secret: Secret): readonly string[] {
  return secret.tags.map(({ Key, Value }) => `${Key}=${Value}`).sort();
}

export function contextOf(behaviour: Behaviour, day: number): CallContext {
  return {
    now: momentOf(day),
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
