import type { ColumnSpec } from '../../../../src/postgres/catalog/column.ts';
import type { ReencryptOptions } from '../../../../src/postgres/job/reencrypt.ts';

/** Two keys, the second current. */
export const KEY_STAGES = { one: ['key-v1', 'AWSPREVIOUS'], two: ['key-v2', 'AWSCURRENT'] };

/** What a process is told to do. The keys are a test's own. */
export interface Orders {
  readonly url: string;
  /** A file that has the password, read for each connection; default: the URL says all. */
  readonly passwordFile?: string;
  readonly specs: readonly ColumnSpec[];
  readonly keys: readonly string[];
  readonly options: ReencryptOptions;
}
