import type {
  ListSecretsRequest,
  ListSecretsResponse,
  ListSecretVersionIdsRequest,
  ListSecretVersionIdsResponse,
  RotateSecretRequest,
  RotateSecretResponse,
  TagResourceRequest,
  UntagResourceRequest,
} from '@aws-sdk/client-secrets-manager';
import type { SecretsManager, StepDependencies } from '../../secret/dependencies.ts';

/** The calls of an operator: a rotation's four, and five more. Each rejects with the service's own error. */
export interface OperatorSecrets extends SecretsManager {
  readonly listSecretVersionIds: (input: ListSecretVersionIdsRequest) => Promise<ListSecretVersionIdsResponse>;
  readonly listSecrets: (input: ListSecretsRequest) => Promise<ListSecretsResponse>;
  readonly rotateSecret: (input: RotateSecretRequest) => Promise<RotateSecretResponse>;
  readonly tagResource: (input: TagResourceRequest) => Promise<unknown>;
  readonly untagResource: (input: UntagResourceRequest) => Promise<unknown>;
}

/** What is to be confirmed before the first write. */
export interface Question {
  /** What will happen, one sentence. */
  readonly action: string;
  /** What it rests on: the rows that were counted, say. */
  readonly basis?: readonly string[];
  /** What may go wrong, where something may. */
  readonly risk?: string;
  /** What has to be typed. Default: y. */
  readonly answer?: string;
}

/** Everything a command takes from the world outside its options. */
export interface CommandDependencies extends StepDependencies {
  readonly secrets: OperatorSecrets;
  /** A new VersionId. */
  readonly newVersionId: () => string;
  /** Resolves once somebody has agreed. Rejects with `NOT_CONFIRMED`. */
  readonly confirm: (question: Question) => Promise<void>;
}

/** Why something is not known. */
export interface Unknown {
  readonly unknown: string;
  /** The service has answered with an error that is no want of a permission. */
  readonly isFault?: true;
}

/** The function that a secret is rotated by, as far as Lambda tells. */
export type RotationFunction =
  { readonly exists: true; readonly logGroup: string } | { readonly exists: false } | Unknown;
