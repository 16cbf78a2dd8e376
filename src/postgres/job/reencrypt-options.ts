import type { NamedColumn } from '../catalog/column-name.ts';
import type { Column } from '../catalog/column.ts';
import type { Brakes } from './brakes.ts';
import type { JobTotals } from './job.ts';
import type { PaceClock, Waited } from './pacer.ts';
import type { LeftRow } from './plan-rows.ts';
import type { TriggerChoice } from '../catalog/triggers.ts';

/** Rows of a transaction where nothing else ends it: what each costs beside its rows, such as the looks at the catalog, is little then. */
export const MOST_BATCH_ROWS = 5000;

export interface ReencryptOptions {
  /** What is done about the table's triggers. Needed where it has some. */
  readonly triggers?: TriggerChoice | undefined;
  /** Connections of this process, so that one encrypts while the others wait for the database. Default: 2. */
  readonly connections?: number;
  /** Most rows of one transaction. Default: `MOST_BATCH_ROWS`. */
  readonly batchRows?: number;
  /** Bytes of one transaction, which the rows of a batch stay within. Default: 4 MiB. */
  readonly batchBytes?: number;
  /** Rows of one range, the share that a process is given at a time. Default: 20,000. */
  readonly rangeRows?: number;
  /** Most rows that the final check hands out; where it finds as many, it begins all rows again. Default: 100,000. */
  readonly mostFound?: number;
  /** Most rows that are remembered by key where they are left untouched; the others are counted. Default: 10,000. */
  readonly mostLeft?: number;
  /** Bytes of the table that the final check reads between two looks at the brakes. Default: 32 MiB. */
  readonly rangeBytes?: number;
  /** Milliseconds for which the final check waits for transactions that have written to the table. Default: 60,000. */
  readonly writersTimeout?: number;
  /** Milliseconds for which a transaction waits for a lock. Then it is undone, and tried again later. Default: 5,000. */
  readonly longestWait?: number;
  /** Whether rows from before this system are brought too, or listed (`LEGACY_ROW`). Default: true. */
  readonly legacy?: boolean;
  /** Begins again where an unfinished job was asked for something else. Default: false. */
  readonly startOver?: boolean;
  /** Brakes to change: of a new job beside the usual ones, of one that others work on for all of them. */
  readonly brakes?: Partial<Brakes>;
  /** Called after each batch of this process, and each second while it waits. */
  readonly onBatch?: (progress: Progress) => void;
  /** Called with the reason where the other processes of a job do not run the query of --pause-while that this one brings. */
  readonly onQueryNotAsked?: (why: string) => void;
  /** The time by which the ring is kept, for `retire`, which waits a day after a re-encryption. Default: the system's. */
  readonly now?: () => Date;
  /** The clock by which this process waits. Default: the system's. */
  readonly clock?: PaceClock;
  /** Stops at the end of each batch once aborted. */
  readonly signal?: AbortSignal;
}

interface Progress {
  readonly column: Column;
  /** Rows that this process has read and re-encrypted. */
  readonly readRows: number;
  readonly reencrypted: number;
  /** Of all processes, as last asked: once a second at most. */
  readonly totals: JobTotals;
  readonly waitsFor?: string | undefined;
  /** The rate that the job is kept to, `null` for none. */
  readonly maxRowsPerSecond: number | null;
}

export interface ReencryptReport extends NamedColumn {
  /** As the operator named it. */
  readonly table: string;
  /** The number that its rows have now. */
  readonly keyNumber: number;
  /** `false` where it was stopped: the same command continues. */
  readonly isFinished: boolean;
  readonly isResumed: boolean;
  /** Rows that this process re-encrypted. */
  readonly ownReencrypted: number;
  /** All processes, this command's earlier runs of the same job included. */
  readonly totals: JobTotals;
  /** Rows left untouched, the first 10,000. */
  readonly left: readonly LeftRow[];
  readonly waited: readonly Waited[];
  /** Transactions that had written to the table and stayed open: the final check has not seen their rows. */
  readonly openWriters?: string;
}
