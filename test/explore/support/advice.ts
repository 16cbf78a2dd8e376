import type { Note } from '../../../src/cli/status/note.ts';
import type { CommandRefusal, NextStep } from '../../../src/cli/suggested-commands.ts';
import { beginScheduledRotation, rotationSucceeded } from '../../../src/local/service/rotation-state.ts';
import type { Behaviour, Secret, ServiceState } from '../../../src/local/service/state.ts';
import { STEPS } from '../../../src/steps/rotation-request.ts';
import { aDayLater, checkEnd, observe, type Cause, type Memory } from './monitors/monitor.ts';
import type { ModelRows } from './model-rows.ts';
import type { Product } from './product.ts';
import { answered, codeOf, programDependencies, SECRET_ARN, TIME_OF_COMMAND, type Program } from './program.ts';
import { everyLabel, isKey, numberOf, valueOf, Violation, withLabel } from './seen-secret.ts';
import { callService, performOn } from './service-calls.ts';
import { contextOf, nameOfMemory, nameOfSecret, secretOf, type World } from './world.ts';

/** A state that an operator may find, and what was before it. */
type Found = Pick<World, 'service' | 'memory' | 'day'>;

/** Where one command has led, and what its refusal names, if it was refused. */
interface CarriedOut {
  readonly found: Found;
  readonly refusal?: { readonly code: string; readonly next: readonly NextStep[] };
}

/** A next step as `runCommand` takes it: without the options that say which secret and which rows. */
function lineOf(next: NextStep): string {
  return typeof next === 'string' ? next : [next.command, ...next.args].join(' ');
}

/** The label of a command that puts a version before it has its number. */
const UNFINISHED = ['key-incoming', 'key-moving', 'key-restoring'];

const LAST = '999999999';

/** Commands after which the ring must be healthy: a retirement of 15 keys that was killed takes two for each. */
const PATIENCE = 40;

/**
 * An operator who comes by at the end of a schedule, when whatever died is left as it is, and runs the one command that
 * `status` recommends until it recommends none. Throws `Violation` where something is unfinished that `status` does not
 * speak of, where forty commands are not enough, and where one breaks an invariant.
 */
export class Advice {
  readonly #product: Product;
  readonly #behaviour: Behaviour;
  readonly #backup: string | undefined;
  readonly #followed = new Set<string>();
  #runs = 0;

  /** `backup`: the command by which a backup was brought back, with its file. */
  constructor(product: Product, behaviour: Behaviour, backup?: string) {
    this.#product = product;
    this.#backup = backup;
    this.#behaviour = behaviour;
  }

  /** `rows`: what the ring's application has written. Without them, no row needs a key. */
  async follow({ service, memory, day }: Found, rows?: ModelRows): Promise<void> {
    const name = [nameOfSecret(secretOf(service)), nameOfMemory(memory), day].join('\n');
    if (this.#followed.has(name)) return;
    this.#followed.add(name);

    let found: Found = { service, memory, day };
    let advice = await this.#advice(found);
    const lines: string[] = [];
    for (;;) {
      for (const left of leftOver(secretOf(found.service))) requireNote(advice.notes, left);
      if (advice.command === undefined) break;
      const before = [found.service, rows?.name];
      let next: NextStep | undefined = advice.command;
      // Which rows are left, only the census of retire knows: its refusal names the command that moves them.
      while (next !== undefined) {
        const line = this.#typed(next);
        lines.push(line);
        // Each change of a secret moves the date from which retire counts its day.
        if (line.startsWith('retire')) found = tomorrow(found);
        const carriedOut: CarriedOut = await this.#carryOut(found, line, rows);
        found = carriedOut.found;
        rows?.check(secretOf(found.service));
        next = carriedOut.refusal?.code === 'ROWS_STILL_NEED_KEY' ? carriedOut.refusal.next[0] : undefined;
      }
      if ((found.service === before[0] && rows?.name === before[1]) || lines.length > PATIENCE)
        throw new Violation(`status gives advice that does not help: ${lines.join(', ')}: ${said(advice.notes)}`);
      advice = await this.#advice(found);
    }
    checkEnd(found.memory, secretOf(found.service));
  }

  /** The operator knows the file, and has a key. */
  #typed(next: NextStep): string {
    const line = lineOf(next);
    if (line === 'put') return 'put Z';
    return line === 'restore-ring FILE' ? (this.#backup ?? line) : line;
  }

  async #carryOut(found: Found, line: string, rows: ModelRows | undefined): Promise<CarriedOut> {
    if (line.startsWith('aws ')) return { found: this.#byHand(found, line) };
    const seen = rows?.seenIn(() => secretOf(found.service));
    if (line === 'reencrypt') return { found, ...(await refusalOf(async () => seen?.reencrypt())) };
    if (line !== 'rotate --wait') {
      const command: Program = (deps) => this.#product.runCommand(deps, line, seen);
      return this.#run(found, command, line);
    }
    const { found: begun } = await this.#run(found, (deps) => this.#product.runCommand(deps, 'rotate'), 'rotate');
    const context = contextOf(this.#behaviour, found.day);
    const [token] = withLabel(secretOf(begun.service), 'AWSPENDING');
    if (token === undefined) return { found: begun };
    let after = { ...begun, service: beginScheduledRotation(begun.service, SECRET_ARN, context) };
    for (const step of STEPS) {
      const cause = { step: { token, leftBefore: after.memory.left } };
      const next = await this.#run(after, (deps) => this.#product.runStep(deps, step, token), step, cause);
      after = next.found;
    }
    return { found: { ...after, service: rotationSucceeded(after.service, SECRET_ARN, token, context) } };
  }

  /** A line of the AWS CLI that moves a label or removes a tag. */
  #byHand(found: Found, line: string): Found {
    const option = (name: string): string | undefined => new RegExp(`--${name} (\\S+)`).exec(line)?.[1];
    const input = {
      SecretId: SECRET_ARN,
      VersionStage: option('version-stage'),
      MoveToVersionId: option('move-to-version-id'),
      RemoveFromVersionId: option('remove-from-version-id'),
    };
    const context = contextOf(this.#behaviour, found.day);
    const tag = option('tag-keys');
    const { service } =
      tag === undefined
        ? performOn(found.service, 'UpdateSecretVersionStage', input, context)
        : performOn(found.service, 'UntagResource', { SecretId: SECRET_ARN, TagKeys: [tag] }, context);
    const before = secretOf(found.service);
    const memory = withoutWrongNumber(found.memory, before, input.VersionStage ?? '');
    return { ...found, service, memory: observe(memory, before, secretOf(service), {}) };
  }

  /** Runs a program from its start to its end, whichever that is. */
  async #run(found: Found, program: Program, name: string, cause: Cause = { command: name }): Promise<CarriedOut> {
    let { service, memory } = found;
    // A program would take it for an error of the service.
    let violation: Error | undefined;
    const change = (after: ServiceState): void => {
      try {
        if (after !== service) memory = observe(memory, secretOf(service), secretOf(after), cause);
      } catch (error) {
        violation ??= error instanceof Error ? error : new Error(String(error));
      }
      service = after;
    };
    const setting = { seed: 100 + this.#runs++, day: found.day, timeLimit: TIME_OF_COMMAND };
    const deps = programDependencies((call) => {
      const { service: after, reply } = callService(service, call, contextOf(this.#behaviour, found.day));
      change(after);
      return answered(reply);
    }, setting);
    const refusal = await refusalOf(() => program(deps));
    if (violation !== undefined) throw violation;
    return { ...refusal, found: { ...found, service, memory } };
  }

  async #advice({ service, day }: Found): Promise<Awaited<ReturnType<Product['advice']>>> {
    const deps = programDependencies(
      (call) => answered(callService(service, call, contextOf(this.#behaviour, day)).reply),
      { seed: 0, day, timeLimit: TIME_OF_COMMAND },
    );
    return this.#product.advice(deps);
  }
}

/** What a refusal says. Any other error is thrown. */
async function refusalOf(run: () => Promise<unknown>): Promise<Pick<CarriedOut, 'refusal'>> {
  try {
    await run();
    return {};
  } catch (error) {
    const code = codeOf(error);
    if (code === 'UNEXPECTED') throw error;
    // A mutant has a class of its own.
    const { next = [] } = error as Partial<CommandRefusal>;
    return { refusal: { code, next } };
  }
}

/** The last number that there is, or the number of a value that is no key: no one else may take off the number of a key. */
function withoutWrongNumber(memory: Memory, secret: Secret, label: string): Memory {
  const [holder = ''] = withLabel(secret, label);
  const number = numberOf(label) ?? '';
  if (number !== LAST && isKey(valueOf(secret, holder))) return memory;
  const owner = Object.fromEntries(Object.entries(memory.owner).filter(([other]) => other !== number));
  return { ...memory, owner };
}

function tomorrow({ service, memory, day }: Found): Found {
  return { service, memory: aDayLater(memory, secretOf(service)), day: day + 1 };
}

/** Something that no one will bring to an end by itself, and how `status` has to name it. */
interface LeftOver {
  readonly what: string;
  readonly named: string | RegExp;
}

/** What is unfinished in a secret, seen without the product's eyes. */
function leftOver(secret: Secret): readonly LeftOver[] {
  const labels = everyLabel(secret);
  const current = withLabel(secret, 'AWSCURRENT');
  const inUse = labels.filter(([, label]) => label === 'AWSCURRENT' || label === 'AWSPREVIOUS');
  const isNumbered = (id: string) => secret.versions[id]?.stages.some((label) => numberOf(label) !== undefined);
  const records = secret.tags.filter(({ Key }) => Key.startsWith('pazpaz:retired:'));
  const named = secret.tags.map(({ Key, Value }) => `${Key} ${Value}`);
  return [
    ...UNFINISHED.flatMap((label) => withLabel(secret, label).map((id) => ({ what: `${label} is left`, named: id }))),
    ...labels.flatMap(([id, label]) => {
      const { kmsKeyId = 'DefaultEncryptionKey' } = secret.versions[id] ?? {};
      const isElsewhere = kmsKeyId !== (secret.kmsKeyId ?? 'DefaultEncryptionKey');
      // A key in use is moved by AWS, or by move after it has left.
      const isInUse = inUse.some(([one]) => one === id);
      return numberOf(label) === undefined || !isElsewhere || isInUse
        ? []
        : [{ what: `${label} is under another KMS key`, named: kmsKeyId }];
    }),
    ...withLabel(secret, `key-v${LAST}`).map((id) => ({ what: 'the last number is given', named: id })),
    ...withLabel(secret, 'AWSPENDING')
      .filter((id) => !current.includes(id))
      .map((id) => ({ what: 'AWSPENDING is left', named: id })),
    ...inUse
      .filter(([id]) => isNumbered(id) !== true && isKey(valueOf(secret, id)))
      .map(([id, label]) => ({ what: `${label} has no number`, named: id })),
    ...records
      .map(({ Key }) => Key.slice('pazpaz:retired:key-v'.length))
      .filter((number) => labels.some(([, label]) => label === `key-v${number}`))
      .map((number) => ({
        what: 'a retirement is half done',
        named: new RegExp(`\\b(key|keys( \\d+,)*) ${number}\\b`),
      })),
    ...Object.entries(secret.versions)
      .filter(
        ([id, { stages }]) =>
          stages.length === 0 && isKey(valueOf(secret, id)) && !named.some((tag) => tag.includes(id)),
      )
      .map(([id]) => ({ what: 'a version has no label', named: id })),
  ];
}

function requireNote(notes: readonly Note[], { what, named }: LeftOver): void {
  if (notes.some(({ text, next }) => next.length > 0 && new RegExp(named).test(text))) return;
  throw new Violation(`${what} (${String(named)}), and status does not say what to do: ${said(notes)}`);
}

function said(notes: readonly Note[]): string {
  return notes.map(({ text, next }) => `'${text}' (${next.map(lineOf).join(', ')})`).join('; ') || 'nothing';
}
