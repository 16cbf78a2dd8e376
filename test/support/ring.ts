import {
  CreateSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
  type RotateSecretCommandInput,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { createHash, randomBytes } from 'node:crypto';
import { LAMBDA_ACCESS_KEY_ID } from '../../src/local/caller.ts';
import type { LoggedCall } from '../../src/local/call-log.ts';
import type { Invocation } from '../../src/local/lambda/lambda-interface.ts';
import type { RotationRecord } from '../../src/local/lambda/rotation-history.ts';
import type { Secret } from '../../src/local/service/state.ts';
import type { SecretsManager } from '../../src/secret/dependencies.ts';
import { handle, type HandlerDependencies } from '../../src/steps/handle.ts';
import type { LogEvent, LogFields } from '../../src/secret/log-events.ts';
import type { Step } from '../../src/steps/rotation-request.ts';
import { secretsManager } from '../../src/secret/secrets-manager.ts';
import { startService, type RunningService } from '../local/support/running-service.ts';
import { inProcessClient } from '../local/support/in-process-client.ts';
import { LAMBDA_ARN } from '../local/support/simple-lambda.ts';
import { token } from '../local/support/state-machine.ts';

export const SECRET = 'pazpaz/encryption-key-v1';

/** A version as a test wants it: with the key number, if it has one, and with one of AWS's labels. */
export interface RingVersion {
  readonly number?: number;
  readonly label?: 'AWSCURRENT' | 'AWSPREVIOUS';
  /** Default: `keyOf` its place, in base64. */
  readonly value?: string | Uint8Array;
}

export const current = (number?: number): RingVersion => ({ ...numbered(number), label: 'AWSCURRENT' });
export const previous = (number?: number): RingVersion => ({ ...numbered(number), label: 'AWSPREVIOUS' });
/** A version whose value is `value`, whatever that is. */
export const holding = (value: string | Uint8Array, version: RingVersion | number = {}): RingVersion => ({
  ...(typeof version === 'number' ? numbered(version) : version),
  value,
});

function numbered(number: number | undefined): RingVersion {
  return number === undefined ? {} : { number };
}

/** The key that a ring begins with at a place, counted from 1. */
export function keyOf(place: number): Buffer {
  return createHash('sha256').update(`key ${place}`).digest();
}

/**
 * Makes the secret over the API, version by version in the order of their age: `ringWith(1, 2, current(3))` is what two
 * rotations leave. A key that was current before has been left by a later put; without versions it has no value.
 */
export function ringWith(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  return ringBefore(0, ...versions);
}

/** Its clock is so many milliseconds behind the real one, such as a database's. */
export async function ringBefore(behind: number, ...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await TestRing.start(behind);
  for (const [index, version] of versions.entries()) {
    const { number, value } = typeof version === 'number' ? numbered(version) : version;
    const place = index + 1;
    await ring.put(value ?? keyOf(place).toString('base64'), token(place));
    if (number !== undefined) await ring.label(`key-v${number}`, place);
  }
  for (const [index, version] of versions.entries()) {
    if (typeof version !== 'number' && version.label !== undefined) await ring.label(version.label, index + 1);
  }
  ring.service.calls.clear();
  return ring;
}

/**
 * A secret on a local Secrets Manager, and the rotation Lambda that looks after it, run within this process: the real
 * code with the real SDK, and with a clock that stands still unless it is moved. Versions are called by
 * their place in the order in which they were made, from 1.
 */
export class TestRing {
  readonly #running: RunningService;
  readonly #versions: string[] = [];
  /** The real SDK with an operator's credentials, but without a socket. */
  readonly client: SecretsManagerClient;
  /** What an invocation by the service does. */
  lambda: 'works' | 'fails' | 'does nothing' = 'works';
  /** The Lambda's way to the service; a test may put its own in between. */
  secrets: SecretsManager;
  /** What the Lambda logged. */
  readonly log: ({ readonly event: LogEvent } & LogFields)[] = [];
  /** Pauses of the Lambda, in milliseconds; they only pass in its own remaining time. */
  readonly slept: number[] = [];
  remainingTime = 30_000;
  secretArn: string | undefined = SECRET;
  /** What this execution environment remembers. */
  readonly proven = new Set<string>();

  private constructor(running: RunningService, client: SecretsManagerClient, secrets: SecretsManager) {
    this.#running = running;
    this.client = client;
    this.secrets = secrets;
  }

  static async start(behind = 0): Promise<TestRing> {
    const running = await startService({
      tries: 1,
      realNow: () => Date.now() - behind,
      lambda: (invocation) => ring.#invoke(invocation),
    });
    const clientOf = (accessKeyId?: string) => inProcessClient(running.service, running.url, accessKeyId);
    const ring: TestRing = new TestRing(
      running,
      clientOf(),
      secretsManager(clientOf(LAMBDA_ACCESS_KEY_ID), () => 30_000),
    );
    await ring.client.send(new CreateSecretCommand({ Name: SECRET }));
    return ring;
  }

  get service(): RunningService['service'] {
    return this.#running.service;
  }

  get deps(): HandlerDependencies {
    return {
      secrets: this.secrets,
      log: (event, fields = {}) => this.log.push({ event, ...fields }),
      randomKey: () => randomBytes(32),
      now: () => new Date(this.service.clock.now()),
      sleep: (milliseconds) => {
        this.slept.push(milliseconds);
        this.remainingTime -= milliseconds;
        return Promise.resolve();
      },
      remainingTime: () => this.remainingTime,
      proven: this.proven,
      secretArn: this.secretArn,
    };
  }

  /** Puts a value by hand; it becomes `AWSCURRENT`, unless other labels are named. */
  async put(value: string | Uint8Array, id?: string, stages?: readonly string[]): Promise<void> {
    await this.client.send(
      new PutSecretValueCommand({
        SecretId: SECRET,
        ...(id === undefined ? {} : { ClientRequestToken: id }),
        ...(typeof value === 'string' ? { SecretString: value } : { SecretBinary: value }),
        ...(stages === undefined ? {} : { VersionStages: [...stages] }),
      }),
    );
    await this.service.idle();
  }

  /** Moves a label to a version by hand, from wherever it is. */
  async label(label: string, place: number): Promise<void> {
    await this.#move(label, this.idOf(place));
  }

  /** Takes a label away by hand. */
  async detach(label: string): Promise<void> {
    await this.#move(label, undefined);
  }

  /** A label disappears by itself, without anybody's doing that the Lambda would hear of. */
  async lose(label: string): Promise<void> {
    const RemoveFromVersionId = this.#holderOf(label);
    const input = { SecretId: SECRET, VersionStage: label, RemoveFromVersionId };
    await this.service.call('UpdateSecretVersionStage', input, { accessKeyId: LAMBDA_ACCESS_KEY_ID });
  }

  async #move(label: string, to: string | undefined): Promise<void> {
    const from = this.#holderOf(label);
    if (from === to) return;
    await this.client.send(
      new UpdateSecretVersionStageCommand({
        SecretId: SECRET,
        VersionStage: label,
        ...(to === undefined ? {} : { MoveToVersionId: to }),
        ...(from === undefined ? {} : { RemoveFromVersionId: from }),
      }),
    );
    await this.service.idle();
  }

  /** `RotateSecret`, to its end. */
  async rotate(input: Partial<RotateSecretCommandInput> = {}): Promise<RotationRecord> {
    const before = this.service.history.records.length;
    const next = this.#places().length + 1;
    await this.client.send(
      new RotateSecretCommand({
        SecretId: SECRET,
        ClientRequestToken: token(next),
        RotationLambdaARN: LAMBDA_ARN,
        RotationRules: { AutomaticallyAfterDays: 365 },
        ...input,
      }),
    );
    await this.service.idle();
    const record = this.service.history.records[before];
    if (record === undefined) throw new Error('no rotation began');
    return record;
  }

  /** `RotateSecret` while a rotation is unfinished: the service refuses it and yet runs the steps again. */
  async reattempt(): Promise<RotationRecord> {
    await expect(this.rotate()).rejects.toThrow("A previous rotation isn't complete");
    await this.service.idle();
    const record = this.service.history.records.at(-1);
    if (record === undefined) throw new Error('no rotation began');
    return record;
  }

  /** Begins a rotation, of which no step has run yet, and switches rotation on. */
  async begin(): Promise<void> {
    this.lambda = 'fails';
    await this.rotate();
    this.lambda = 'works';
    this.service.calls.clear();
  }

  /** Switches rotation on, and rotates nothing. */
  async enableRotation(rules: RotateSecretCommandInput['RotationRules'] = { AutomaticallyAfterDays: 365 }) {
    this.lambda = 'does nothing';
    await this.rotate({ RotateImmediately: false, RotationRules: rules });
    this.lambda = 'works';
    this.service.calls.clear();
  }

  /** Runs steps one after the other as the service would, by default with the token that is pending. */
  async steps(...steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.step(step);
  }

  async step(step: string, event: object = {}): Promise<void> {
    await this.send({ Step: step, SecretId: this.secret.arn, ClientRequestToken: this.pendingId, ...event });
  }

  /** Sends the Lambda any event. */
  async send(event: unknown): Promise<void> {
    await handle(this.deps, event);
  }

  /** The daily tick. */
  async tick(): Promise<void> {
    await this.send({ 'detail-type': 'Scheduled Event', source: 'aws.events', detail: {} });
  }

  get secret(): Secret {
    const secret = Object.values(this.service.state.secrets).find(({ name }) => name === SECRET);
    if (secret === undefined) throw new Error('the secret is gone');
    return secret;
  }

  /** Labels by the place of the version, in alphabetical order. */
  get labels(): Readonly<Record<number, string>> {
    return Object.fromEntries(
      this.#places().flatMap((id, index): [number, string][] => {
        const version = this.secret.versions[id];
        return version === undefined ? [] : [[index + 1, [...version.stages].sort().join(' ')]];
      }),
    );
  }

  /** The secret as it is, but for the days of the last reads, which every read may move. */
  get snapshot(): string {
    return JSON.stringify(this.secret, (name, value: unknown) => (name === 'lastAccessedDate' ? undefined : value));
  }

  /** The value of a version, as it is stored. */
  valueOf(place: number): string {
    const value = this.secret.versions[this.idOf(place)]?.value;
    if (value === undefined) throw new Error(`version ${place} has no value`);
    return value.kind === 'string' ? value.text : value.base64;
  }

  idOf(place: number): string {
    const id = this.#places()[place - 1];
    if (id === undefined) throw new Error(`there is no version ${place}`);
    return id;
  }

  /** The version with AWSPENDING; without one, the newest. */
  get pendingId(): string {
    return this.#holderOf('AWSPENDING') ?? this.#places().at(-1) ?? '';
  }

  /** Calls of the Lambda since the ring was made, or since its first rotation began. */
  get calls(): readonly LoggedCall[] {
    return this.service.calls.calls.filter(({ by }) => by === 'lambda');
  }

  /** Calls of the Lambda that ask for a change, whether the service accepted them or not. */
  get writes(): readonly LoggedCall[] {
    return this.calls.filter(({ operation }) => !['DescribeSecret', 'GetSecretValue'].includes(operation));
  }

  /** The names of the lines that the Lambda logged. */
  get events(): readonly LogEvent[] {
    return this.log.map(({ event }) => event);
  }

  /** The last `key_ring_state`, without the name of the secret. */
  get reported(): LogFields | undefined {
    const line = this.log.findLast(({ event }) => event === 'key_ring_state');
    if (line === undefined) return undefined;
    return Object.fromEntries(Object.entries(line).filter(([name]) => name !== 'event' && name !== 'secretId'));
  }

  /** Every version so far in the order in which they were made, those that are gone included. */
  #places(): readonly string[] {
    for (const id of Object.keys(this.secret.versions)) if (!this.#versions.includes(id)) this.#versions.push(id);
    return this.#versions;
  }

  #holderOf(label: string): string | undefined {
    return Object.entries(this.secret.versions).find(([, { stages }]) => stages.includes(label))?.[0];
  }

  async #invoke({ event }: Invocation): Promise<null> {
    if (this.lambda === 'fails') throw new Error('the test lets no step run');
    if (this.lambda === 'works') await handle(this.deps, event);
    return null;
  }
}
