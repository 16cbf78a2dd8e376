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

/** The calls of an operator: the four of a rotation, and six more. Each rejects with the service's own error. */
export interface OperatorSecrets extends SecretsManager {
  readonly listSecretVersionIds: (input: ListSecretVersionIdsRequest) => Promise<ListSecretVersionIdsResponse>;
  readonly listSecrets: (input: ListSecretsRequest) => Promise<ListSecretsResponse>;
  readonly rotateSecret: (input: RotateSecretRequest) => Promise<RotateSecretResponse>;
  readonly tagResource: (input: TagResourceRequest) => Promise<unknown>;
  readonly untagResource: (input: UntagResourceRequest) => Promise<unknown>;
  readonly updateSecret: (input: UpdateSecretRequest) => Promise<unknown>;
}

/** What is to be confirmed before the first write. */
export interface Question {
  /** What will happen, in one sentence. */
  readonly action: string;
  /** The evidence, such as the rows that were counted. */
  readonly basis?: readonly string[];
  /** The risk, if there is one. */
  readonly risk?: string;
  /** What must be typed. Default: y. */
  readonly answer?: string;
}

/** Everything that a command uses besides its options. */
export interface CommandDependencies extends StepDependencies {
  readonly secrets: OperatorSecrets;
  /** A new VersionId. */
  readonly newVersionId: () => string;
  /** Resolves once the operator has agreed. Rejects with `NOT_CONFIRMED`. */
  readonly confirm: (question: Question) => Promise<void>;
}

/** Why something is not known. */
export interface Unknown {
  readonly unknown: string;
  /** The service has answered with an error other than a missing permission. */
  readonly isFault?: true;
}

/** The function that rotates a secret, as far as Lambda says. */
export type RotationFunction =
  { readonly exists: true; readonly logGroup: string } | { readonly exists: false } | Unknown;
