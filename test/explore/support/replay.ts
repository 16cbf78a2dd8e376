import {
  CancelRotateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import type { LocalSecretsManager } from '../../../src/local/local-secrets-manager.ts';
import type { Behaviour } from '../../../src/local/service/state.ts';
import { handMade, isHandMade } from './manual-changes.ts';
import { LiveProgram } from './live-program.ts';
import type { Move, Moves } from './moves.ts';
import { DAY, SECRET_ARN } from './program.ts';
import { LAMBDA_ARN, tokenOf, type HandMade, type World } from './world.ts';

/** A move together with the world that it was made in. */
export interface Scheduled {
  readonly world: World;
  readonly move: Move;
}

/** Labels and value by VersionId, as a client of the service sees them. */
export type Seen = Readonly<Record<string, string>>;

/**
 * Plays a schedule of the exploration again on a running service: the product's code with the real SDK, each
 * call let through when the schedule says so. Throws if the product makes another call than it made there.
 */
export class Replay {
  readonly #client: SecretsManagerClient;
  readonly #service: LocalSecretsManager;
  readonly #moves: Moves;
  readonly #live = new Map<string, LiveProgram>();
  readonly #secrets: OperatorSecrets;
  readonly #pendingAfterSuccess: Behaviour['pendingAfterSuccess'];

  /** `service` must hold the secret that the schedule begins with. */
  constructor(client: SecretsManagerClient, service: LocalSecretsManager, moves: Moves) {
    this.#client = client;
    this.#service = service;
    this.#pendingAfterSuccess = service.behaviour.pendingAfterSuccess;
    this.#moves = moves;
    this.#secrets = operatorSecrets(client);
  }

  async startRotation(token: string, immediately: boolean): Promise<void> {
    const input = { SecretId: SECRET_ARN, ClientRequestToken: token, RotationLambdaARN: LAMBDA_ARN };
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
        return isHandMade(move.operation) ? this.#operate(world, move.operation) : undefined;
      case 'a day passes':
        return this.#service.advance(DAY);
    }
  }

  /** Calls that a program still wants to make. */
  get waiting(): number {
    return [...this.#live.values()].reduce((sum, program) => sum + program.waiting, 0);
  }

  async seen(): Promise<Seen> {
    const { VersionIdsToStages = {}, Tags = [] } = await this.#client.send(
      new DescribeSecretCommand({ SecretId: SECRET_ARN }),
    );
    const seen: Record<string, string> = {};
    for (const [VersionId, stages] of Object.entries(VersionIdsToStages)) {
      const value = await this.#client
        .send(new GetSecretValueCommand({ SecretId: SECRET_ARN, VersionId }))
        .then(({ SecretString = '' }) => SecretString)
        .catch(() => '');
      seen[VersionId] = [...[...stages].sort(), value].join(' ');
    }
    for (const { Key = '', Value = '' } of Tags) seen[Key] = Value;
    return seen;
  }

  #programOf({ actor }: Extract<Move, { kind: 'call' }>): LiveProgram {
    const step = actor.kind === 'attempt' ? (actor.steps[0] ?? 'createSecret') : undefined;
    const name = `${actor.kind} ${actor.id} ${step ?? ''}`;
    const known = this.#live.get(name);
    if (known !== undefined && actor.history.replies.length > 0) return known;
    const program = new LiveProgram(this.#moves.settingOf(actor), (deps) =>
      actor.kind === 'attempt' && step !== undefined
        ? this.#moves.product.runStep(deps, step, actor.token)
        : this.#moves.product.runCommand(deps, actor.kind === 'command' ? actor.line : ''),
    );
    this.#live.set(name, program);
    return program;
  }

  /** What the service does by itself after the last step, by the calls that have the same effect. */
  async #cleanUp(token: string, run: 'rotation' | 'test'): Promise<void> {
    const secret = await this.#client.send(new DescribeSecretCommand({ SecretId: SECRET_ARN }));
    const labels = secret.VersionIdsToStages?.[token] ?? [];
    const leaves = run === 'rotation' && (this.#pendingAfterSuccess === 'left' || !labels.includes('AWSCURRENT'));
    if (leaves || !labels.includes('AWSPENDING')) return;
    const detach = { SecretId: SECRET_ARN, VersionStage: 'AWSPENDING', RemoveFromVersionId: token };
    await this.#client.send(new UpdateSecretVersionStageCommand(detach));
  }

  async #operate(world: World, operation: HandMade): Promise<void> {
    const [name, request] = handMade(operation, world);
    const refused = () => undefined;
    if (name === 'PutSecretValue') await this.#client.send(new PutSecretValueCommand(request as never)).catch(refused);
    else if (name === 'CancelRotateSecret') await this.#client.send(new CancelRotateSecretCommand(request as never));
    else await this.#client.send(new UpdateSecretVersionStageCommand(request as never)).catch(refused);
  }
}
