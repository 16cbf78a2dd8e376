import type { RetiredKey } from '../../format/retired-tag.ts';
import type { NamedColumn } from '../../postgres/catalog/column-name.ts';
import type { ColumnCensus } from '../../postgres/census.ts';
import type { DatabaseFacts } from '../../postgres/connection/database-facts.ts';
import type { SkippedTable } from '../../postgres/find-columns.ts';
import type { RingReport, VersionReport } from '../status/ring-report.ts';
import type { UnreadKeys } from '../rows/unread-keys.ts';

/** The shape of `evidence.json`. Members are added under the same name; a change of meaning gets a new one. */
export const FORMAT = 'pazpaz-evidence/1';

/** Facts about a key ring at one moment, for an auditor. They hold no key, no plaintext and no key of a row. */
export interface Evidence {
  readonly format: typeof FORMAT;
  /** ISO 8601, UTC, as all dates here. */
  readonly madeAt: string;
  /** The program and its version. */
  readonly madeWith: string;
  readonly previous?: PreviousReport;
  /** The KMS key that signs this report. Absent: it is not signed. */
  readonly signedWith?: string;
  readonly verdict: Verdict;
  readonly secret: SecretFacts;
  readonly keys: readonly KeyFacts[];
  readonly history: readonly HistoryEntry[];
  /** From here on, `history` has each change that CloudTrail recorded. Absent: it was not read. */
  readonly recordsFrom?: string;
  readonly rows: RowFacts;
  readonly kmsKeys: readonly KmsKeyFacts[];
  readonly access: AccessFacts;
  readonly alarms: readonly AlarmFacts[];
  readonly settings: readonly SettingFacts[];
  /** What could not be read, and why. */
  readonly unseen: readonly Unseen[];
}

/** The report before, which this one continues. */
export interface PreviousReport {
  readonly madeAt: string;
  /** Of its file `evidence.json`, in hexadecimal. */
  readonly sha256: string;
  /** Of its file `evidence.sha256`, which has the SHA-256 of each of its files. */
  readonly checksums?: string;
  /** How its signature was checked. Absent: there was no signature. */
  readonly signature?: string;
}

/** The report in a sentence. */
export interface Verdict {
  readonly sentence: string;
  /** What should have been done by now, or is wrong. */
  readonly overdue: readonly Remark[];
  /** What a reader should know, and what asks for nothing yet. */
  readonly notices: readonly Remark[];
}

export interface Remark {
  readonly code: string;
  readonly text: string;
}

interface SecretFacts extends Pick<RingReport, 'name' | 'arn' | 'kmsKeyId' | 'currentNumber' | 'slots'> {
  readonly rotation: RingReport['rotation'];
  /** Regions with a copy of the secret, and AWS's word for the state of each. */
  readonly replicas: readonly { readonly region: string; readonly status: string }[];
  /** The last backup that a tag of the secret records. */
  readonly backup?: { readonly date: string; readonly numbers: readonly number[] };
}

/** A key of the ring, one that was retired, or another version of the secret. */
export interface KeyFacts {
  /** The lowest, where it has several. */
  readonly number?: number;
  readonly otherNumbers?: readonly number[];
  readonly versionId: string;
  /** `deleted`: it was retired, and AWS has no such version any more. */
  readonly state: VersionReport['state'] | 'deleted';
  /** Its value is not a key. */
  readonly isNoKey?: true;
  readonly created?: string;
  /** The day on which the key was made, if its version is a younger copy. */
  readonly made?: string;
  /** When it was the key that encrypts. */
  readonly current: readonly Period[];
  readonly retired?: RetiredKey['date'];
  /** The day of the last read of its value. */
  readonly lastUsed?: string;
  readonly kmsKeyIds: readonly string[];
}

export interface Period {
  readonly from: string;
  /** Absent: it lasts, or its end is not known. */
  readonly to?: string;
  /** No record of the moment was seen: it was concluded from the dates on which the keys were made. */
  readonly isEstimated: boolean;
}

/** Where a fact comes from. */
type Source = 'versions' | 'tags' | 'cloudtrail' | 'function-log' | 'kms';

/** What happened to a key or to its secret. */
export const EVENTS = {
  'key-made': 'a key was made',
  'key-copied': 'a key was stored under another version',
  'key-put': 'a key was stored by hand',
  'rotation-begun': 'a rotation was started',
  'rotation-succeeded': 'a rotation succeeded',
  'rotation-failed': 'a rotation failed',
  'rotation-off': 'the rotation was switched off',
  'made-current': 'a key became the one that encrypts',
  'rolled-back': 'an older key became the one that encrypts again',
  'number-given': 'a key got its number',
  'number-removed': 'a key lost its number',
  'key-retired': 'a key was retired',
  'key-restored': 'a retired key was restored',
  'key-rescued': 'a key that had no number got one by hand',
  'rotation-abandoned': 'a rotation was ended by hand',
  'backup-made': 'the keys were backed up',
  'secret-changed': 'the secret or its protection was changed',
  'kms-key-rotated': 'the KMS key got new material',
  'kms-key-changed': 'the KMS key or its protection was changed',
} as const;

export type EventCode = keyof typeof EVENTS;

export interface HistoryEntry {
  readonly at: string;
  readonly event: EventCode;
  readonly source: Source;
  readonly number?: number;
  readonly versionId?: string;
  /** The version that had the number before, with the same key. */
  readonly formerVersionId?: string;
  /** The caller's ARN, or the service that acted. */
  readonly by?: string;
  readonly detail?: string;
}

type CountedColumn = Pick<
  ColumnCensus,
  | (keyof NamedColumn | 'rows' | 'nulls' | 'empty')
  | ('numbered' | 'unnumbered' | 'legacy' | 'nested' | 'unreadable' | 'unsearched' | 'unseen')
>;

/** The rows by the key that opens them, or why they were not counted. */
export type RowFacts =
  | { readonly isCounted: false; readonly isAsked: boolean; readonly why: string }
  | {
      readonly isCounted: true;
      /** Which database was counted, and when: in one snapshot that was taken between these times of its clock. */
      readonly database?: DatabaseFacts & { readonly countedFrom: string; readonly countedTo: string };
      readonly columns: readonly CountedColumn[];
      /** Columns that look encrypted and were not counted. */
      readonly unlisted: readonly string[];
      /** Tables that could not be looked at for such columns. */
      readonly skipped: readonly SkippedTable[];
      /** Keys that could not be read: rows that only they open count as unreadable. Absent: all were read. */
      readonly unreadKeys?: readonly UnreadKeys[];
    };

/** A KMS key under which AWS keeps versions of the secret. What is absent was not seen. */
export interface KmsKeyFacts {
  readonly keyId: string;
  /** `Enabled`, `Disabled`, `PendingDeletion`, … */
  readonly state?: string;
  /** `AWS` or `CUSTOMER`. */
  readonly manager?: string;
  readonly isRotated?: boolean;
  readonly rotationDays?: number;
  readonly nextRotation?: string;
  readonly rotations: readonly { readonly at: string; readonly type: string }[];
  /** Who may use the key by a grant, whatever its policy says. Absent: not seen. */
  readonly grants?: readonly GrantFacts[];
}

/** A grant of a KMS key. */
export interface GrantFacts {
  readonly grantId: string;
  /** A principal, or a service of AWS. */
  readonly grantee: string;
  readonly operations: readonly string[];
  readonly created?: string;
  readonly name?: string;
}

/** Who may read or change the secret. */
export interface AccessFacts {
  /** The policy of the secret as AWS returns it, in JSON. Absent: there is no policy, or it was not seen. */
  readonly policy?: string;
  /** The principals that were asked about: those that the policy names, the function's role, and those of --principal. */
  readonly principals: readonly {
    readonly arn: string;
    /** Calls that its policies and that of the secret allow. */
    readonly may: readonly string[];
    /** Calls that depend on a condition that was not evaluated. */
    readonly unknown: readonly string[];
    /** What these depend on, as far as it is known. */
    readonly conditions?: readonly { readonly action: string; readonly text: string }[];
  }[];
}

export interface AlarmFacts {
  readonly name: string;
  readonly exists: boolean;
  /** `OK`, `ALARM`, `INSUFFICIENT_DATA`. */
  readonly state?: string;
  readonly since?: string;
  /** Whether it has an action, and its actions are on. */
  readonly notifies: boolean;
}

/** A setting as it is, and as the stack recommends it. */
export interface SettingFacts {
  readonly code:
    | 'rotation'
    | 'rotation-days'
    | 'own-kms-key'
    | 'kms-key-rotation'
    | 'operator-role'
    | 'alarms'
    | 'log-retention'
    | 'trail'
    | 'backup';
  readonly title: string;
  readonly found: string;
  readonly recommended: string;
  readonly isMet: 'yes' | 'no' | 'unknown';
}

/** A question that was not answered. */
export interface Unseen {
  /** What the report would say otherwise. */
  readonly what: string;
  /** The call or the option that would show it. */
  readonly needs: string;
  readonly why: string;
}
