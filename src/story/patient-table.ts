import type { AwsSession } from '../cli/aws/session.ts';
import type { ProcessIo } from '../cli/process-io.ts';
import type { MaintainedRows } from '../cli/rows/maintained-rows.ts';
import type { PatientRecord } from './patient-record.ts';

/** A table `patients` with an encrypted column `notes`. */
export interface PatientTable {
  /** For the screen. */
  readonly place: string;
  readonly isPostgres: boolean;
  readonly insert: (records: readonly PatientRecord[]) => Promise<void>;
  /** By id. */
  readonly ciphertexts: () => Promise<ReadonlyMap<number, Uint8Array>>;
  /** Does `work`, which is that of `maintain`, with its rows. */
  readonly maintained: <T>(
    session: AwsSession,
    io: ProcessIo,
    work: (rows: MaintainedRows) => Promise<T>,
  ) => Promise<T>;
  readonly close: () => Promise<void>;
}
