export interface DatabaseFlags {
  readonly databaseUrl?: string;
  readonly databaseSecret?: string;
  readonly rdsIam?: boolean;
}

export interface ColumnFlags extends DatabaseFlags {
  readonly table?: string;
  readonly column?: string;
  readonly member?: string;
  readonly key?: string;
  readonly context?: string;
  readonly columns?: string;
  readonly connections?: number;
  /** Seconds for which a census waits for transactions that have written to a table. */
  readonly writersTimeout?: number;
  /** Of `retire`: columns without a value count as evidence. */
  readonly emptyIsFine?: boolean;
  /** Of `retire`: columns with ciphertexts that are not listed are accepted. */
  readonly unlistedIsFine?: boolean;
  /** Of `retire`: tables that could not be searched are accepted. */
  readonly skippedIsFine?: boolean;
}

/** Milliseconds; `undefined` for the default. */
export function writersTimeoutOf({ writersTimeout }: Pick<ColumnFlags, 'writersTimeout'>): number | undefined {
  return writersTimeout === undefined ? undefined : writersTimeout * 1000;
}
