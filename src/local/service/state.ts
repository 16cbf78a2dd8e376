/**
 * The whole state of the local Secrets Manager as plain, immutable data: every operation is a function from one state
 * to the next, so a state can be hashed, compared, written to a file, or explored along many futures at once.
 *
 * Dates are milliseconds since 1970 (UTC); they leave the service as seconds, as AWS JSON 1.1 spells a timestamp.
 */
export interface ServiceState {
  /** By ARN. */
  readonly secrets: Readonly<Record<string, Secret>>;
}

export interface Secret {
  readonly arn: string;
  readonly name: string;
  readonly description?: string;
  readonly kmsKeyId?: string;
  readonly tags: readonly Tag[];
  /** Its last tag was removed: it is shown with an empty list, a secret that never had a tag without one. */
  readonly hadTags?: true;
  readonly resourcePolicy?: string;
  readonly createdDate: number;
  readonly lastChangedDate: number;
  /** Midnight (UTC) of the day of the last read: the service tells no more than the day. */
  readonly lastAccessedDate?: number;
  /** Set while the secret waits for its deletion. */
  readonly deletion?: { readonly deletedDate: number; readonly deletesAt: number };
  readonly rotation?: Rotation;
  /** Copies of this secret in other regions (regions.ts). */
  readonly replicas?: readonly Replica[];
  /** The region of the primary, of a replica as a call in its region sees it; never stored. */
  readonly primaryRegion?: string;
  /** By VersionId: every version with a label, and the newest without, in the order in which they were made. */
  readonly versions: Readonly<Record<string, SecretVersion>>;
  /** Older versions without labels, oldest first (version-archive.ts). */
  readonly archive?: {
    readonly size: number;
    readonly chunks: readonly Readonly<Record<string, SecretVersion>>[];
  };
}

export interface Replica {
  readonly region: string;
  readonly kmsKeyId?: string;
  readonly status: 'InSync' | 'Failed';
  readonly statusMessage?: string;
  readonly lastAccessedDate?: number;
}

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface SecretVersion {
  /** Absent: a placeholder, as a rotation makes it before its first step. */
  readonly value?: SecretValue;
  /** Staging labels, in the order in which they were attached. */
  readonly stages: readonly string[];
  readonly createdDate: number;
  readonly lastAccessedDate?: number;
  readonly kmsKeyId?: string;
}

export type SecretValue =
  { readonly kind: 'string'; readonly text: string } | { readonly kind: 'binary'; readonly base64: string };

export interface Rotation {
  readonly enabled: boolean;
  readonly lambdaArn: string;
  readonly rules: RotationRules;
  readonly lastRotatedDate?: number;
  readonly nextRotationDate?: number;
  /** The attempt that the service is in the middle of; it stays here until it succeeds or is abandoned. */
  readonly underWay?: RotationUnderWay;
}

export interface RotationRules {
  readonly AutomaticallyAfterDays?: number;
  readonly ScheduleExpression?: string;
  readonly Duration?: string;
}

export interface RotationUnderWay {
  /** The ClientRequestToken, which is the VersionId of the pending version. */
  readonly token: string;
  /** `test`: `RotateImmediately=false`, which runs `testSecret` alone. */
  readonly kind: 'rotation' | 'test';
  /** How many times the service has run the steps with this token so far. */
  readonly attempts: number;
}

/** Where public records of the real service disagree or are silent, the local one can do either. */
export interface Behaviour {
  /**
   * A version that lost its last staging label: AWS may delete it at any time after 24 hours. `as-documented`: it goes
   * when a new version is made and there are more than 100, if it is older than 24 hours.
   */
  readonly unlabelledVersions: 'deleted-at-once' | 'kept' | 'as-documented';
  /** Whether the first value of a secret, put with `AWSPENDING` alone, is made `AWSCURRENT` as well. */
  readonly firstPendingValue: 'becomes-current' | 'stays-pending';
  /** Whether the service takes `AWSPENDING` off the new version after a finished rotation. */
  readonly pendingAfterSuccess: 'removed' | 'left';
}

/** What an operation may use of the world outside the state. */
export interface CallContext {
  /** Milliseconds since 1970, UTC. */
  readonly now: number;
  /** Of the call: a call sees the secrets of its own region. */
  readonly region: string;
  readonly accountId: string;
  readonly behaviour: Behaviour;
  /** A new random UUID. */
  readonly newId: () => string;
  readonly randomBytes: (length: number) => Uint8Array;
}
