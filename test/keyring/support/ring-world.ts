import { randomBytes, randomUUID } from 'node:crypto';
import type { ApplicationEvent, ApplicationLogEntry } from '../../../src/keyring/application-log.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { KeyRing } from '../../../src/keyring/key-ring.ts';
import type { KeyRingOptions } from '../../../src/keyring/options.ts';
import type { SecretSource } from '../../../src/keyring/source/secret-source.ts';
import type { AwsSettings } from '../../../src/keyring/settings.ts';
import { LocalSecretsManager } from '../../../src/local/local-secrets-manager.ts';
import { ServiceError } from '../../../src/local/service/service-error.ts';
import { ManualClock } from './manual-clock.ts';

export const SECRET = 'pazpaz/encryption-key-v1';

const opened: KeyRing[] = [];

/** Closes every ring that a test has opened; for `afterEach`. */
export function closeRings(): void {
  for (const ring of opened.splice(0)) ring.close();
}

/** A secret in a Secrets Manager within this process, and applications that read it. */
export class RingWorld {
  readonly service = new LocalSecretsManager();
  readonly clock = new ManualClock();
  readonly log: ApplicationLogEntry[] = [];
  /** Bytes of each key, by its number. */
  readonly keyBytes = new Map<number, Buffer>();
  readonly versionIds = new Map<number, string>();
  readonly #hung: string[] = [];
  #hanging: (operation: string, input: Readonly<Record<string, unknown>>) => boolean = () => false;
  settings: AwsSettings = {
    keySource: 'aws',
    environment: 'staging',
    region: 'us-east-1',
    secretId: SECRET,
    environmentKey: undefined,
  };

  /** A secret whose last key is current. */
  static async withKeys(count: number): Promise<RingWorld> {
    const world = new RingWorld();
    await world.call('CreateSecret', { Name: SECRET, ClientRequestToken: randomUUID() });
    for (let number = 1; number <= count; number += 1) await world.rotate();
    return world;
  }

  /** Adds the next key and makes it current, as the rotation does. `value`: default a fresh key. */
  async rotate(value?: string): Promise<number> {
    const number = await this.addKey(value);
    await this.makeCurrent(number);
    return number;
  }

  /** Adds the next key with its number, but not as the current one. */
  async addKey(value?: string): Promise<number> {
    const number = this.versionIds.size + 1;
    const bytes = randomBytes(32);
    const versionId = randomUUID();
    this.versionIds.set(number, versionId);
    this.keyBytes.set(number, bytes);
    const SecretString = value ?? bytes.toString('base64');
    const stages = ['AWSPENDING'];
    await this.call('PutSecretValue', { ClientRequestToken: versionId, SecretString, VersionStages: stages });
    await this.label(`key-v${number}`, number);
    return number;
  }

  async makeCurrent(number: number): Promise<void> {
    const { VersionIdsToStages = {} } = (await this.call('DescribeSecret')) as {
      VersionIdsToStages?: Record<string, string[]>;
    };
    const holder = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSCURRENT'))?.[0];
    if (holder !== this.versionIds.get(number)) await this.label('AWSCURRENT', number, holder);
  }

  async label(label: string, number: number, from?: string): Promise<void> {
    await this.call('UpdateSecretVersionStage', {
      VersionStage: label,
      MoveToVersionId: this.versionIds.get(number),
      ...(from === undefined ? {} : { RemoveFromVersionId: from }),
    });
  }

  async unlabel(label: string, number: number): Promise<void> {
    await this.call('UpdateSecretVersionStage', {
      VersionStage: label,
      RemoveFromVersionId: this.versionIds.get(number),
    });
  }

  /** Records the retirement of a key as the command does, before it takes the label away. */
  async recordRetirement(number: number): Promise<void> {
    const tag = {
      Key: `pazpaz:retired:key-v${number}`,
      Value: `${this.versionIds.get(number)} 2026-01-01T00:00:00.000Z`,
    };
    await this.call('TagResource', { Tags: [tag] });
  }

  /** Takes a key off the ring as the command does. */
  async retire(number: number): Promise<void> {
    await this.recordRetirement(number);
    await this.unlabel(`key-v${number}`, number);
  }

  call(operation: string, input: object = {}): Promise<unknown> {
    return this.service.call(operation, { SecretId: SECRET, ...input });
  }

  /** Calls that applications made since `forgetCalls`, those that hang included. */
  get calls(): { readonly describe: number; readonly read: number } {
    const { DescribeSecret = 0, GetSecretValue = 0 } = this.service.calls.counts;
    const hanging = (operation: string) => this.#hung.filter((asked) => asked === operation).length;
    return {
      describe: DescribeSecret + hanging('DescribeSecret'),
      read: GetSecretValue + hanging('GetSecretValue'),
    };
  }

  forgetCalls(): void {
    this.service.calls.clear();
    this.#hung.length = 0;
  }

  /** From now on every call fails, as where the network is cut. */
  cutNetwork(operation?: string): void {
    this.service.faults.set({ kind: 'drop', ...(operation === undefined ? {} : { operation }) });
  }

  /** From now on calls get no answer at all, until they are given up; `versionId`: reading that version alone. */
  hangNetwork(operation?: 'DescribeSecret' | 'GetSecretValue', versionId?: string): void {
    this.#hanging = (asked, input) =>
      (operation === undefined || asked === operation) && (versionId === undefined || input['VersionId'] === versionId);
  }

  mendNetwork(): void {
    this.service.faults.clear();
    this.#hanging = () => false;
  }

  /** The way of an application to the service: the answers of AWS JSON as the SDK would give them. */
  source(): SecretSource {
    const ask = async (operation: string, input: object, signal: AbortSignal): Promise<Record<string, unknown>> => {
      signal.throwIfAborted();
      if (this.#hanging(operation, { ...input })) {
        this.#hung.push(operation);
        return new Promise(() => undefined);
      }
      try {
        return await this.service.call(operation, { SecretId: SECRET, ...input });
      } catch (error) {
        if (!(error instanceof ServiceError)) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
        throw Object.assign(new Error(error.message), { name: error.type, $fault: 'client' });
      }
    };
    return {
      describe: (signal) => ask('DescribeSecret', {}, signal),
      read: (VersionId, signal) => ask('GetSecretValue', { VersionId }, signal),
      close: () => undefined,
    };
  }

  /** Opens a ring as one process of the application would. */
  async open(options: KeyRingOptions = {}, settings: Partial<AwsSettings> = {}): Promise<KeyRing> {
    const ring = await KeyRing.open(
      { ...this.settings, ...settings },
      {
        source: this.source(),
        clock: this.clock,
        logger: (entry) => this.log.push(entry),
        random: () => 0.5,
        ...options,
      },
    );
    opened.push(ring);
    return ring;
  }

  /** The key of a number, to write older data with. */
  keyOf(number: number): Buffer {
    const bytes = this.keyBytes.get(number);
    if (bytes === undefined) throw new Error(`No key ${number}`);
    return bytes;
  }

  material(number: number): KeyMaterial {
    return KeyMaterial.fromBytes(this.keyOf(number));
  }

  events(event?: ApplicationEvent): readonly ApplicationLogEntry[] {
    return this.log.filter((entry) => event === undefined || entry.event === event);
  }
}
