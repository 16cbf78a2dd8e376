import type {
  ListSecretsRequest,
  ListSecretsResponse,
  ListSecretVersionIdsRequest,
  ListSecretVersionIdsResponse,
  RotateSecretRequest,
  RotateSecretResponse,
  TagResourceRequest,
  UntagResourceRequest,
  UpdateSecretRequest,
} from '@aws-sdk/client-secrets-manager';
import type { SecretsManager, StepDependencies } from '../../secret/dependencies.ts';

/** Each rejects with the service's own error. */
export interface OperatorSecrets extends SecretsManager {
  readonly listSecretVersionIds: (input: ListSecretVersionIdsRequest) => Promise<ListSecretVersionIdsResponse>;
  readonly listSecrets: (input: ListSecretsRequest) => Promise<ListSecretsResponse>;
  readonly rotateSecret: (input: RotateSecretRequest) => Promise<RotateSecretResponse>;
  readonly tagResource: (input: TagResourceRequest) => Promise<unknown>;
  readonly untagResource: (input: UntagResourceRequest) => Promise<unknown>;
  readonly updateSecret: (input: UpdateSecretRequest) => Promise<unknown>;
}

/** Asked before the first write. */
export interface Question {
  /** In one sentence. */
  readonly action: string;
  /** The evidence, such as the rows that were counted. */
  readonly basis?: readonly string[];
  readonly risk?: string;
  /** What must be typed. Default: y. */
  readonly answer?: string;
}

export interface CommandDependencies extends StepDependencies {
  readonly secrets: OperatorSecrets;
  readonly newVersionId: () => string;
  /** Rejects with `NOT_CONFIRMED`, unless the operator agrees. */
  readonly confirm: (question: Question) => Promise<void>;
}

export interface Unknown {
  readonly unknown: string;
  /** The error is other than a missing permission. */
  readonly isFault?: true;
}

/** As far as Lambda says. */
export type RotationFunction =
  { readonly exists: true; readonly logGroup: string } | { readonly exists: false } | Unknown;
