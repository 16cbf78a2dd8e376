import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import type { KeyRotationError } from '../../format/error.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import type { FoundColumns } from '../../postgres/find-columns.ts';
import type { EncryptionCount } from '../aws/encryption-count.ts';
import type { RingReport } from '../status/ring-report.ts';
import type { RotationFunction, Unknown } from '../aws/operator.ts';
import type { Reading } from '../ring/reading.ts';

/** As `DescribeKey` names it (`Enabled`, `Disabled`, `PendingDeletion`, …). */
export type KmsKeyState = { readonly state: string } | Unknown;

export interface Replica {
  readonly region: string;
  /** AWS's word: `InSync`, `InProgress`, `Failed`. */
  readonly status: string;
  readonly numbers: ReadonlySet<number> | Unknown;
}

/** Read before the checks run. */
export interface Examination {
  readonly secretId: string;
  readonly region: string | undefined;
  readonly now: Date;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Why the secret could not be described. */
  readonly undescribed?: KeyRotationError;
  /** Why versions could not be listed. The report then has only labelled ones, without dates. */
  readonly unlisted?: KeyRotationError;
  /** The most similar first; only if this secret does not exist. */
  readonly otherNames: readonly string[];
  readonly described?: { readonly secret: DescribeSecretResponse; readonly ring: RingLabels };
  readonly report?: RingReport;
  /** For each version in use or without a number. */
  readonly readings: ReadonlyMap<string, Reading>;
  readonly kmsKeys: ReadonlyMap<string, KmsKeyState>;
  readonly replicas: readonly Replica[];
  /** Columns that look encrypted and are not listed; absent if no list was given. */
  readonly unlistedColumns?: FoundColumns | KeyRotationError;
  /** Absent if the secret names no function. */
  readonly rotationFunction?: RotationFunction;
  /** Absent if the secret could not be described. */
  readonly encryptions?: EncryptionCount;
  /** Milliseconds by which AWS's clock is ahead; absent if AWS has not answered. */
  readonly clockOffset?: number;
  /** Why that clock proves nothing. */
  readonly clockUnknown?: string;
}
