import type {
  DescribeSecretRequest,
  DescribeSecretResponse,
  GetSecretValueRequest,
  GetSecretValueResponse,
  PutSecretValueRequest,
  PutSecretValueResponse,
  UpdateSecretVersionStageRequest,
  UpdateSecretVersionStageResponse,
} from '@aws-sdk/client-secrets-manager';
import type { Log } from './log-events.ts';

/** The four calls that a rotation makes. Each rejects with the service's own error, identified by its `name`. */
export interface SecretsManager {
  readonly describeSecret: (input: DescribeSecretRequest) => Promise<DescribeSecretResponse>;
  readonly getSecretValue: (input: GetSecretValueRequest) => Promise<GetSecretValueResponse>;
  readonly putSecretValue: (input: PutSecretValueRequest) => Promise<PutSecretValueResponse>;
  readonly updateSecretVersionStage: (
    input: UpdateSecretVersionStageRequest,
  ) => Promise<UpdateSecretVersionStageResponse>;
}

/** Everything that the steps, adoption and the commands share: one secret, and the world around it. */
export interface StepDependencies {
  /** Name or ARN of the secret: the only one that the functions of `src/secret` and `src/steps` work on. */
  readonly secretId: string;
  readonly secrets: SecretsManager;
  readonly log: Log;
  /** Returns 32 fresh bytes from a cryptographically strong source. */
  readonly randomKey: () => Uint8Array;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Milliseconds until Lambda ends this invocation. */
  readonly remainingTime: () => number;
  /**
   * VersionIds of pending keys that this execution environment has read and proven. A value never changes, so
   * `finishSecret` need not read such a version again before it promotes it.
   */
  readonly proven: Set<string>;
}
