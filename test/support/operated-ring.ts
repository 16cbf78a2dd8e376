import { randomBytes } from 'node:crypto';
import type { CommandDependencies } from '../../src/cli/aws/operator.ts';
import type { OperationName } from '../../src/local/service/perform.ts';
import {
  beginScheduledRotation,
  rotationGivenUp,
  rotationSucceeded,
  testFailed,
  testSucceeded,
} from '../../src/local/service/rotation-state.ts';
import type { Behaviour, Secret } from '../../src/local/service/state.ts';
import { decryptField, encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { numberingLabel, type KeyNumber } from '../../src/format/key-number.ts';
import { ringLabels, type RingLabels } from '../../src/format/ring-labels.ts';
import { STEPS, type Step } from '../../src/steps/rotation-request.ts';
import { product as theProduct, type Product } from '../explore/support/product.ts';
import { StateMachine, token } from '../local/support/state-machine.ts';

/** What becomes of a call of the Lambda. */
export type Fate = 'made' | 'lost before it took effect' | 'lost after it took effect';

interface Row {
  readonly sealed: Buffer;
  readonly text: string;
  readonly writtenWith: string;
}

/**
 * A secret named `a` on the bare state machine, with everybody who works on it: the service and its Lambda, whose calls
 * may get lost, an operator, and an application that writes a row whenever it is asked to.
 */
export class OperatedRing {
  readonly #machine: StateMachine;
  readonly #product: Product;
  /** Keys by the version under which each was current first. */
  readonly #keys = new Map<string, string>();
  readonly #rows: Row[] = [];
  readonly #owners = new Map<KeyNumber, string>();
  #tokens = 1;
  #fates: Fate[] = [];
  #lost = 0;

  constructor(behaviour: Behaviour, product: Product = theProduct) {
    this.#product = product;
    this.#machine = new StateMachine(behaviour);
    this.#machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(1), SecretString: newKey() });
  }

  /** The labels, read as a ring. */
  get ring(): RingLabels {
    return ringLabels(
      Object.fromEntries(Object.entries(this.#secret.versions).map(([id, { stages }]) => [id, stages])),
    );
  }

  get #secret(): Secret {
    return this.#machine.secret;
  }

  /** `RotateSecret`; the Lambda's calls meet these fates in their order, then they are made. At most so many tries. */
  async rotate(kind: 'rotation' | 'test', fates: readonly Fate[], tries: number): Promise<void> {
    this.#begin(kind);
    const under = this.#secret.rotation?.underWay;
    if (under === undefined) return;
    this.#fates = [...fates];
    const steps = under.kind === 'test' ? (['testSecret'] as const) : STEPS;
    let succeeded = false;
    for (let attempt = 1; attempt <= tries && !succeeded; attempt += 1) succeeded = await this.#run(steps, under.token);
    this.#fates = [];
    const [good, bad] = under.kind === 'test' ? [testSucceeded, testFailed] : [rotationSucceeded, rotationGivenUp];
    this.#machine.apply((state, context) => (succeeded ? good : bad)(state, this.#machine.arn, under.token, context));
  }

  /** Puts a key by hand, and the Lambda hears of it. */
  async put(fates: readonly Fate[]): Promise<void> {
    if (this.ring.freeSlots < 3) return;
    this.#machine.call('PutSecretValue', { SecretId: 'a', ClientRequestToken: this.#token(), SecretString: newKey() });
    await this.#adopt(fates);
  }

  /** Moves `AWSCURRENT` back by hand, without any check, and the Lambda hears of it. */
  async moveBack(fates: readonly Fate[]): Promise<void> {
    const { current, previous } = this.ring;
    if (current === undefined || previous === undefined) return;
    const move = { VersionStage: 'AWSCURRENT', MoveToVersionId: previous, RemoveFromVersionId: current };
    this.#machine.call('UpdateSecretVersionStage', { SecretId: 'a', ...move });
    await this.#adopt(fates);
  }

  /** Our own rollback. */
  async rollBack(): Promise<void> {
    await this.#product.runCommand(this.#deps, 'rollback').catch(refusedOnly);
  }

  cancel(): void {
    if (this.#secret.rotation === undefined) return;
    this.#machine.call('CancelRotateSecret', { SecretId: 'a' });
  }

  /** Detaches `AWSPENDING` from what is left of a rotation, as the errors of the steps ask for. */
  cleanUp(): void {
    const { current, pending } = this.ring;
    if (pending === undefined || pending === current) return;
    const detach = { VersionStage: 'AWSPENDING', RemoveFromVersionId: pending };
    this.#machine.call('UpdateSecretVersionStage', { SecretId: 'a', ...detach });
  }

  /** Retires the n-th key that may be retired (docs/architecture.md, invariant 4), and its rows with it. */
  retire(n: number): void {
    const { numberOf, highestNumber, current, previous, pending } = this.ring;
    const retirable = [...numberOf].filter(
      ([id, number]) => number !== highestNumber && ![current, previous, pending].includes(id),
    );
    const [id, number] = retirable[n % Math.max(1, retirable.length)] ?? [];
    if (id === undefined || number === undefined) return;
    const key = this.#valueOf(id);
    const detach = { VersionStage: numberingLabel(number), RemoveFromVersionId: id };
    this.#machine.call('UpdateSecretVersionStage', { SecretId: 'a', ...detach });
    this.#rows.splice(0, Infinity, ...this.#rows.filter(({ writtenWith }) => writtenWith !== key));
  }

  /** The application encrypts a row with the current key. */
  write(): void {
    const { current, numberOf } = this.ring;
    if (current === undefined) throw new Error('invariant 5: no key is current');
    const writtenWith = this.#valueOf(current);
    const text = `row ${this.#rows.length}`;
    const sealed = encryptField(text, keyOf(writtenWith), '', { number: numberOf.get(current) ?? 0 });
    this.#rows.push({ sealed, text, writtenWith });
  }

  /** What of the promise is broken, in words. */
  get broken(): readonly string[] {
    const { numberOf, versionOf, current, previous } = this.ring;
    const broken: string[] = [];
    const currents = Object.values(this.#secret.versions).filter(({ stages }) => stages.includes('AWSCURRENT'));
    if (currents.length !== 1) broken.push(`${currents.length} keys are current`);
    const key = this.#valueOf(current ?? '');
    const first = this.#keys.get(key) ?? current ?? '';
    this.#keys.set(key, first);
    if (first !== current) broken.push(`version ${current ?? ''} has the key that version ${first} had before`);
    for (const [number, id] of versionOf) {
      const owner = this.#owners.get(number) ?? id;
      this.#owners.set(number, owner);
      if (owner !== id) broken.push(`number ${number} has named two versions`);
    }
    const found = [...new Set([...numberOf.keys(), current, previous])].filter((id) => id !== undefined);
    const keys = found.map((id) => keyOf(this.#valueOf(id)));
    for (const { sealed, text } of this.#rows) {
      if (!keys.some((key) => opens(sealed, key, text))) broken.push(`${text} cannot be read`);
    }
    return broken;
  }

  get #deps(): CommandDependencies {
    const through =
      <T>(name: OperationName) =>
      (input: object): Promise<T> =>
        this.#callOfLambda<T>(name, input);
    const secrets: CommandDependencies['secrets'] = {
      describeSecret: through('DescribeSecret'),
      getSecretValue: through('GetSecretValue'),
      putSecretValue: through('PutSecretValue'),
      updateSecretVersionStage: through('UpdateSecretVersionStage'),
      listSecretVersionIds: through('ListSecretVersionIds'),
      listSecrets: through('ListSecrets'),
      rotateSecret: through('RotateSecret'),
      tagResource: through('TagResource'),
      untagResource: through('UntagResource'),
      updateSecret: through('UpdateSecret'),
    };
    return {
      secrets,
      secretId: 'a',
      newVersionId: () => this.#token(),
      confirm: () => Promise.resolve(),
      log: () => undefined,
      randomKey: () => randomBytes(32),
      now: () => new Date(this.#machine.now),
      sleep: () => Promise.resolve(),
      remainingTime: () => 30_000,
      proven: new Set(),
    };
  }

  #callOfLambda<T>(name: OperationName, input: object): Promise<T> {
    return new Promise((resolve) => {
      const fate = this.#fates.shift() ?? 'made';
      if (fate === 'lost before it took effect') throw this.#loss();
      const output = this.#machine.call(name, input);
      if (fate === 'lost after it took effect') throw this.#loss();
      resolve(withDates(output) as T);
    });
  }

  #loss(): Error {
    this.#lost += 1;
    return new Error('this call got lost');
  }

  #begin(kind: 'rotation' | 'test'): void {
    try {
      this.#machine.call('RotateSecret', {
        SecretId: 'a',
        ClientRequestToken: this.#token(),
        RotationLambdaARN: 'arn:aws:lambda:us-east-1:123456789012:function:rotate',
        RotationRules: { AutomaticallyAfterDays: 365 },
        RotateImmediately: kind === 'rotation',
      });
    } catch (error) {
      refusedOnly(error);
      // 'A previous rotation isn't complete. That rotation will be reattempted.'
      this.#machine.apply((state, context) => beginScheduledRotation(state, this.#machine.arn, context));
    }
  }

  async #run(steps: readonly Step[], id: string): Promise<boolean> {
    const deps = this.#deps;
    try {
      for (const step of steps) await this.#product.runStep(deps, step, id);
      return true;
    } catch (error) {
      refusedOnly(error);
      return false;
    }
  }

  /** Adopts, and is tried again by EventBridge until no call gets lost. */
  async #adopt(fates: readonly Fate[]): Promise<void> {
    this.#fates = [...fates];
    for (;;) {
      const lostBefore = this.#lost;
      try {
        await this.#product.runCommand(this.#deps, 'adoption');
        return;
      } catch (error) {
        if (this.#lost === lostBefore) throw error;
      } finally {
        if (this.#lost === lostBefore) this.#fates = [];
      }
    }
  }

  #valueOf(id: string): string {
    const value = this.#secret.versions[id]?.value;
    return value?.kind === 'string' ? value.text : '';
  }

  #token(): string {
    return token((this.#tokens += 1));
  }
}

/** The SDK gives dates where the protocol has seconds. */
function withDates(output: Readonly<Record<string, unknown>>): object {
  const members = Object.entries(output).map(([name, value]): [string, unknown] => [
    name,
    name.endsWith('Date') && typeof value === 'number' ? new Date(value * 1000) : value,
  ]);
  return Object.fromEntries(members);
}

/** Lets pass what the service or a step refuses; anything else is a fault. */
function refusedOnly(error: unknown): void {
  if (error instanceof Error && ('code' in error || error.name.endsWith('Exception'))) return;
  throw error;
}

function newKey(): string {
  return randomBytes(32).toString('base64');
}

function keyOf(value: string): KeyMaterial {
  return KeyMaterial.fromBytes(Buffer.from(value, 'base64'));
}

function opens(sealed: Buffer, key: KeyMaterial, text: string): boolean {
  try {
    return decryptField(sealed, key) === text;
  } catch {
    return false;
  }
}
