import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import type { KeyRotationError } from '../../format/error.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import type { FoundColumns } from '../../postgres/find-columns.ts';
import type { EncryptionCount } from '../aws/encryption-count.ts';
import type { RingReport } from '../status/ring-report.ts';
import type { RotationFunction, Unknown } from '../aws/operator.ts';
import type { Reading } from './reading.ts';

/**
 * The state of a KMS key as `DescribeKey` names it (`Enabled`, `Disabled`, `PendingDeletion`, …), or why it is unknown.
 */
export type KmsKeyState = { readonly state: string } | Unknown;

/** A replica of the secret with its numbers, or why they are unknown. */
export interface Replica {
  readonly region: string;
  /** AWS's word: `InSync`, `InProgress`, `Failed`. */
  readonly status: string;
  readonly numbers: ReadonlySet<number> | Unknown;
}

/** Everything that was read before the checks run. */
export interface Examination {
  readonly secretId: string;
  readonly region: string | undefined;
  readonly now: Date;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Why the secret could not be described, if it could not. */
  readonly undescribed?: KeyRotationError;
  /**
   * Why its versions could not be listed, if they could not. The report then has only labelled versions, without dates.
   */
  readonly unlisted?: KeyRotationError;
  /** Names of other secrets in the region, the most similar first. Only if this secret does not exist. */
  readonly otherNames: readonly string[];
  readonly described?: { readonly secret: DescribeSecretResponse; readonly ring: RingLabels };
  readonly report?: RingReport;
  /** What each version in use or without a number holds. */
  readonly readings: ReadonlyMap<string, Reading>;
  readonly kmsKeys: ReadonlyMap<string, KmsKeyState>;
  readonly replicas: readonly Replica[];
  /** Columns that look encrypted and are not listed, or why they are unknown; absent if no list was given. */
  readonly unlistedColumns?: FoundColumns | KeyRotationError;
  /** What Lambda knows of the secret's function; absent if the secret names none. */
  readonly rotationFunction?: RotationFunction;
  /** How often the current key has encrypted; absent if the secret could not be described. */
  readonly encryptions?: EncryptionCount;
  /** Milliseconds by which AWS's clock is ahead of this machine's; absent if AWS has not answered. */
  readonly clockOffset?: number;
  /** Why its clock says nothing about this machine's, if it does not. */
  readonly clockUnknown?: string;
}
