import type { Behaviour, Secret, SecretVersion } from '../../../../src/local/service/state.ts';
import { Advice } from '../advice.ts';
import { keyText, spelled, versionIdOf } from '../letters.ts';
import { checkEnd, firstMemory } from '../monitors/monitor.ts';
import { Moves } from '../moves.ts';
import { momentOf, SECRET_ARN } from '../program.ts';
import type { Product } from '../product.ts';
import { Violation } from '../seen-secret.ts';
import { LAMBDA_ARN, secretOf, tokenOf, type Operation, type World } from '../world.ts';

/** Where an exploration begins and what it allows. */
export interface Scenario {
  readonly name: string;
  /** Labels of each version beside a key of its own; the letter stands for its VersionId. */
  readonly ring: Readonly<Record<string, string>>;
  /** A rotation was refused before it made a key: `AWSPENDING` is on a version without a value. */
  readonly placeholder?: boolean;
  /** Attempts of the first rotation that run side by side from the start; 0: the service begins it when it likes. */
  readonly attempts: 0 | 1 | 2;
  /** Calls that may be killed before or after they take effect, or be made twice. */
  readonly faults: number;
  /** Times that the service runs the steps again after a failure. */
  readonly retries: number;
  /** Times that an operator runs a command again that was killed. Default: 0, what died is left as it is. */
  readonly repeats?: number;
  /** Rotations in all. */
  readonly rotations: number;
  /** Operators at once; what each does, one after the other, beginning at any moment. */
  readonly operators?: readonly (readonly Operation[])[];
  /** Something changed the secret within the last 24 hours. */
  readonly changedToday?: boolean;
  /** Days that may pass, each at any moment at which no Lambda runs. Default: 0. */
  readonly days?: number;
  /** The first rotation is a test run: `RotateImmediately=false`. */
  readonly testRun?: boolean;
  /** Descriptions that may be old, and by how many writes. Default: none. */
  readonly stale?: { readonly answers: number; readonly writesOld: number };
  readonly behaviour?: Partial<Behaviour>;
  /** The only states in which a schedule may end, spelled by letters. Default: every one in which the promise holds. */
  readonly ends?: readonly Readonly<Record<string, string>>[];
}

export const BEHAVIOUR: Behaviour = {
  unlabelledVersions: 'deleted-at-once',
  firstPendingValue: 'stays-pending',
  pendingAfterSuccess: 'removed',
};

/** An exploration about to begin. */
export interface Beginning {
  readonly moves: Moves;
  /** The world before anything happened, and the one in which the first rotation has begun. */
  readonly first: World;
  readonly start: World;
  /** Checks a world in which nothing can happen any more. Throws `Violation`. */
  readonly checkEnd: (world: World) => Promise<void>;
}

export async function begin(scenario: Scenario, product: Product): Promise<Beginning> {
  const { stale = { answers: 0, writesOld: 0 }, operators = [] } = scenario;
  const moves = new Moves(
    product,
    { ...BEHAVIOUR, ...scenario.behaviour },
    {
      writesOld: stale.writesOld,
      reports:
        operators.length !== 1 ? 'none' : scenario.attempts === 0 && scenario.rotations === 0 ? 'all' : 'of numbers',
    },
  );
  const secret = secretWith(scenario);
  const first: World = {
    service: { secrets: { [SECRET_ARN]: secret } },
    actors: [],
    memory: firstMemory(secret),
    operators,
    faults: scenario.faults,
    staleAnswers: stale.answers,
    past: [],
    retries: scenario.retries,
    repeats: scenario.repeats ?? 0,
    rotations: scenario.rotations,
    started: 0,
    toCleanUp: undefined,
    // The secret was made the day before, so that an operator may retire a key at once.
    day: 1,
    days: scenario.days ?? 0,
    nextId: 1,
  };
  return { moves, first, start: await begun(scenario, moves, first), checkEnd: endOf(scenario, moves) };
}

async function begun({ attempts, testRun }: Scenario, moves: Moves, first: World): Promise<World> {
  if (attempts === 0) return first;
  const start = await moves.startRotation(first, { RotateImmediately: testRun !== true });
  return attempts === 1 ? start : moves.withOverlap(start, tokenOf(1));
}

function endOf({ ends, operators = [] }: Scenario, { product, behaviour }: Moves): Beginning['checkEnd'] {
  const backup = operators.flat().find((operation) => operation.startsWith('restore-ring'));
  const advice = new Advice(product, behaviour, backup);
  const allowed = ends?.map(withOptions);
  return async (world) => {
    const secret = secretOf(world.service);
    checkEnd(world.memory, secret);
    const end = withOptions(spelled(secret));
    if (allowed?.includes(end) === false) throw new Violation(`an end that no one intended: ${end}`);
    await advice.follow(world);
  };
}

function withOptions(state: Readonly<Record<string, string>>): string {
  const entries = Object.entries(state).map(([name, labels]) => [name, labels.split(' ').sort().join(' ')] as const);
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}

function secretWith({ ring, placeholder, changedToday }: Scenario): Secret {
  const createdDate = momentOf(0);
  const versions = Object.entries(ring).map(([letter, labels]): [string, SecretVersion] => [
    versionIdOf(letter),
    {
      value: { kind: 'string', text: keyText(letter) },
      stages: labels.split(' ').filter((label) => label !== ''),
      createdDate,
    },
  ]);
  const refused: [string, SecretVersion] = [tokenOf(0), { stages: ['AWSPENDING'], createdDate }];
  return {
    arn: SECRET_ARN,
    name: 'pazpaz/encryption-key-v1',
    tags: [],
    createdDate,
    lastChangedDate: momentOf(changedToday === true ? 1 : 0),
    rotation: { enabled: true, lambdaArn: LAMBDA_ARN, rules: {} },
    versions: Object.fromEntries([...versions, ...(placeholder === true ? [refused] : [])]),
  };
}
