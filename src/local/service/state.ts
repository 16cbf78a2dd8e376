/** Plain, immutable data, to be hashed, compared, saved and explored. Dates are milliseconds since 1970 (UTC). */
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
  /** Shown with an empty list once its last tag was removed, and without a list if it never had a tag. */
  readonly hadTags?: true;
  readonly resourcePolicy?: string;
  readonly createdDate: number;
  readonly lastChangedDate: number;
  /** Midnight (UTC): the service tells only the day of the last read. */
  readonly lastAccessedDate?: number;
  /** Set while the secret waits for its deletion. */
  readonly deletion?: { readonly deletedDate: number; readonly deletesAt: number };
  readonly rotation?: Rotation;
  /** Copies in other regions (regions.ts). */
  readonly replicas?: readonly Replica[];
  /** Only in a replica as a call in its region sees it; never stored. */
  readonly primaryRegion?: string;
  /** By VersionId, in the order of creation: versions with a label, and the newest without. */
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
  /** In the order in which they were attached. */
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
  /** It stays until the attempt succeeds or is abandoned. */
  readonly underWay?: RotationUnderWay;
}

export interface RotationRules {
  readonly AutomaticallyAfterDays?: number;
  readonly ScheduleExpression?: string;
  readonly Duration?: string;
}

export interface RotationUnderWay {
  /** The VersionId of the pending version. */
  readonly token: string;
  /** `test`: `RotateImmediately=false`, which runs `testSecret` alone. */
  readonly kind: 'rotation' | 'test';
  /** How often the service has run the steps with this token. */
  readonly attempts: number;
}

/** What the local service does where public records of the real one disagree or are silent. */
export interface Behaviour {
  /** AWS may delete them after 24 hours. `as-documented`: once there are more than 100. */
  readonly unlabelledVersions: 'deleted-at-once' | 'kept' | 'as-documented';
  /** Of a secret whose first value is put with `AWSPENDING` alone. */
  readonly firstPendingValue: 'becomes-current' | 'stays-pending';
  /** Whether a finished rotation takes `AWSPENDING` off the new version. */
  readonly pendingAfterSuccess: 'removed' | 'left';
}

/** All that an operation may use beside the state. */
export interface CallContext {
  /** Milliseconds since 1970, UTC. */
  readonly now: number;
  /** A call sees the secrets of its own region. */
  readonly region: string;
  readonly accountId: string;
  readonly behaviour: Behaviour;
  /** A random UUID. */
  readonly newId: () => string;
  readonly randomBytes: (length: number) => Uint8Array;
}
