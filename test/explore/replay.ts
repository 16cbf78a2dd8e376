import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { Behaviour } from '../../src/local/state.ts';
import type { SecretsManager } from '../../src/steps/dependencies.ts';
import { secretsManager } from '../../src/steps/secrets-manager.ts';
import { LiveProgram } from './live-program.ts';
import { handMade, type Move } from './moves.ts';
import type { Product } from './product.ts';
import { LAMBDA_ARN, secretOf, tokenOf, type World } from './world.ts';

/** A move together with the world that it was made in. */
export interface Scheduled {
  readonly world: World;
  readonly move: Move;
}

/** Labels and value by VersionId, as a client of the service sees them. */
export type Seen = Readonly<Record<string, string>>;

/**
 * Plays a schedule of the exploration again on a running service: the product's code with the real SDK over HTTP, each
 * call let through when the schedule says so. Throws if the product makes another call than it made there.
 */
export class Replay {
  readonly #client: SecretsManagerClient;
  readonly #product: Product;
  readonly #secretId: string;
  readonly #live = new Map<string, LiveProgram>();
  readonly #secrets: SecretsManager;
  readonly #pendingAfterSuccess: Behaviour['pendingAfterSuccess'];

  private constructor(client: SecretsManagerClient, product: Product, secretId: string, behaviour: Behaviour) {
    this.#client = client;
    this.#pendingAfterSuccess = behaviour.pendingAfterSuccess;
    this.#product = product;
    this.#secretId = secretId;
    this.#secrets = secretsManager(client, () => 60_000);
  }

  /** Makes the secret that the world starts with, before its first rotation. */
  static async of(client: SecretsManagerClient, product: Product, start: World, behaviour: Behaviour): Promise<Replay> {
    const { ARN = '' } = await client.send(new CreateSecretCommand({ Name: 'pazpaz/encryption-key-v1' }));
    const replay = new Replay(client, product, ARN, behaviour);
    for (const [versionId, { stages, value }] of Object.entries(secretOf(start.service).versions)) {
      if (value?.kind !== 'string') continue;
      const put = { SecretId: ARN, ClientRequestToken: versionId, SecretString: value.text };
      await client.send(new PutSecretValueCommand(put));
      for (const label of stages.filter((stage) => !stage.startsWith('AWS'))) {
        const attach = { SecretId: ARN, VersionStage: label, MoveToVersionId: versionId };
        await client.send(new UpdateSecretVersionStageCommand(attach));
      }
    }
    return replay;
  }

  async startRotation(token: string, immediately: boolean): Promise<void> {
    const input = { SecretId: this.#secretId, ClientRequestToken: token, RotationLambdaARN: LAMBDA_ARN };
    await this.#client
      .send(new RotateSecretCommand({ ...input, RotateImmediately: immediately }))
      .catch((error: unknown) => {
        // The service says so and reattempts the previous rotation; which attempt that is, the schedule knows.
        if (!(error instanceof Error) || !error.message.startsWith('A previous rotation')) throw error;
      });
  }

  async play({ world, move }: Scheduled): Promise<void> {
    switch (move.kind) {
      case 'call':
        return this.#programOf(move).let(move.actor.call, move.fate, this.#secrets);
      case 'service cleans up':
        return this.#cleanUp(move.token, move.run);
      case 'service rotates':
        return this.startRotation(tokenOf(world.started + 1), true);
      case 'operation':
        return this.#operate(world, move.operation);
    }
  }

  /** Calls that a program still wants to make. */
  get waiting(): number {
    return [...this.#live.values()].reduce((sum, program) => sum + program.waiting, 0);
  }

  async seen(): Promise<Seen> {
    const { VersionIdsToStages = {} } = await this.#client.send(
      new DescribeSecretCommand({ SecretId: this.#secretId }),
    );
    const seen: Record<string, string> = {};
    for (const [VersionId, stages] of Object.entries(VersionIdsToStages)) {
      const value = await this.#client
        .send(new GetSecretValueCommand({ SecretId: this.#secretId, VersionId }))
        .then(({ SecretString = '' }) => SecretString)
        .catch(() => '');
      seen[VersionId] = [...[...stages].sort(), value].join(' ');
    }
    return seen;
  }

  #programOf({ actor }: Extract<Move, { kind: 'call' }>): LiveProgram {
    const step = actor.kind === 'attempt' ? (actor.steps[0] ?? 'createSecret') : undefined;
    const name = `${actor.kind} ${actor.id} ${step ?? ''}`;
    const known = this.#live.get(name);
    if (known !== undefined && actor.history.replies.length > 0) return known;
    const program = new LiveProgram(actor.kind === 'attempt' ? actor.id : 0, (deps) =>
      actor.kind === 'attempt' && step !== undefined
        ? this.#product.runStep(deps, step, this.#secretId, actor.token)
        : this.#product[actor.kind === 'rollback' ? 'rollback' : 'adoption'](deps, this.#secretId),
    );
    this.#live.set(name, program);
    return program;
  }

  /** What the service does by itself after the last step, by the calls that have the same effect. */
  async #cleanUp(token: string, run: 'rotation' | 'test'): Promise<void> {
    const secret = await this.#client.send(new DescribeSecretCommand({ SecretId: this.#secretId }));
    const labels = secret.VersionIdsToStages?.[token] ?? [];
    const leaves = run === 'rotation' && (this.#pendingAfterSuccess === 'left' || !labels.includes('AWSCURRENT'));
    if (leaves || !labels.includes('AWSPENDING')) return;
    const detach = { SecretId: this.#secretId, VersionStage: 'AWSPENDING', RemoveFromVersionId: token };
    await this.#client.send(new UpdateSecretVersionStageCommand(detach));
  }

  async #operate(world: World, operation: NonNullable<World['operation']>): Promise<void> {
    if (operation === 'rollback') return;
    const [name, input] = handMade(operation, world);
    const request = { ...input, SecretId: this.#secretId };
    const refused = () => undefined;
    if (name === 'PutSecretValue') await this.#client.send(new PutSecretValueCommand(request)).catch(refused);
    else if (name === 'CancelRotateSecret') await this.#client.send(new CancelRotateSecretCommand(request));
    else await this.#client.send(new UpdateSecretVersionStageCommand(request as never)).catch(refused);
  }
}
