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

/** The calls that a rotation makes. Each rejects with the service's own error, identified by its `name`. */
export interface SecretsManager {
  readonly describeSecret: (input: DescribeSecretRequest) => Promise<DescribeSecretResponse>;
  readonly getSecretValue: (input: GetSecretValueRequest) => Promise<GetSecretValueResponse>;
  readonly putSecretValue: (input: PutSecretValueRequest) => Promise<PutSecretValueResponse>;
  readonly updateSecretVersionStage: (
    input: UpdateSecretVersionStageRequest,
  ) => Promise<UpdateSecretVersionStageResponse>;
}

/** What the steps, adoption and the commands share. */
export interface StepDependencies {
  /** Name or ARN: the only secret that the functions of `src/secret` and `src/steps` work on. */
  readonly secretId: string;
  readonly secrets: SecretsManager;
  readonly log: Log;
  /** 32 bytes from a cryptographically strong source. */
  readonly randomKey: () => Uint8Array;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly remainingTime: () => number;
  /** Pending keys that this environment has proven: a value never changes, so `finishSecret` trusts them. */
  readonly proven: Set<string>;
}
