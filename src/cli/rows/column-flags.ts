/** Options that say which database, and how to get in. */
export interface DatabaseFlags {
  readonly databaseUrl?: string;
  readonly databaseSecret?: string;
  readonly rdsIam?: boolean;
}

/** Options that say which rows. */
export interface ColumnFlags extends DatabaseFlags {
  readonly table?: string;
  readonly column?: string;
  readonly member?: string;
  readonly key?: string;
  readonly context?: string;
  readonly columns?: string;
  /** Connections that a census reads on. */
  readonly connections?: number;
  /** Seconds for which a census waits for transactions that have written to a table. */
  readonly writersTimeout?: number;
  /** Of `retire`: columns without a value count as evidence. */
  readonly emptyIsFine?: boolean;
  /** Of `retire`: columns with ciphertexts that are not listed are accepted. */
  readonly unlistedIsFine?: boolean;
  /** Of `retire`: tables that could not be looked at for further columns are accepted. */
  readonly skippedIsFine?: boolean;
}

/** How long a census waits for transactions that have written, in milliseconds; `undefined` for its default. */
export function writersTimeoutOf({ writersTimeout }: Pick<ColumnFlags, 'writersTimeout'>): number | undefined {
  return writersTimeout === undefined ? undefined : writersTimeout * 1000;
}
