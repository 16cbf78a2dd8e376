/** Options that say which rows. */
export interface ColumnFlags {
  readonly databaseUrl?: string;
  readonly table?: string;
  readonly column?: string;
  readonly member?: string;
  readonly key?: string;
  readonly context?: string;
  readonly columns?: string;
  /** Of `retire`: columns without a value count as evidence. */
  readonly emptyIsFine?: boolean;
}
