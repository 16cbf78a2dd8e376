import { nameOfColumn } from '../catalog/column-name.ts';

export interface FoundColumn {
  readonly table: string;
  readonly tableId: string;
  readonly column: string;
  readonly columnNumber: number;
  readonly member?: string;
  /** Why neither census nor reencrypt can read it: `a materialized view`, `bytea[]`, `inside its values`. */
  readonly uncountable?: string;
  /** Whether its values follow from other columns of their row. */
  readonly isGenerated: boolean;
  /** Values that were looked at, and how many of them open with a key of the ring, or look like one of its ciphertexts. */
  readonly sampled: number;
  readonly opened: number;
  readonly alike: number;
  /** The keys that open some of them, by their numbers (0: a key without a number). */
  readonly numbers: readonly number[];
  readonly alikeNumbers: readonly number[];
}

/** `clinic.patients.notes`; `clinic.patients.tags (bytea[])` where it cannot be listed. */
export function foundName({ table, uncountable, ...place }: FoundColumn): string {
  return `${nameOfColumn(table, place)}${uncountable === undefined ? '' : ` (${uncountable})`}`;
}
