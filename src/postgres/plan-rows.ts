import { seal } from '../format/ciphertext.ts';
import type { ErrorCode } from '../format/error.ts';
import { pooledNonce } from '../format/nonce.ts';
import { attribute, type Attribution } from './attribution.ts';
import { asStored } from './stored-value.ts';
import type { Column } from './column.ts';
import type { StoredRow } from './read-rows.ts';
import type { RingKeys, TargetKey } from './all-keys.ts';
import type { RowChange } from './write-rows.ts';

/** Why a row was left as it is: our own code for a row that does not open, or what else stood in the way. */
export type LeftBecause = ErrorCode | 'CONTEXT_COLUMN_IS_NULL' | 'ROW_BUSY' | `DATABASE:${string}`;

/** A row that was left as it is, by its key. */
export interface LeftRow {
  readonly key: readonly string[];
  readonly code: LeftBecause;
}

/** What is to be done with the rows of one batch. */
export interface Plan {
  readonly changes: readonly RowChange[];
  readonly alreadyCurrent: number;
  readonly nulls: number;
  readonly empty: number;
  readonly left: readonly LeftRow[];
}

/** Opens every row, and encrypts those that are not under the target key in the wanted context. */
export function planRows(column: Column, rows: readonly StoredRow[], keys: RingKeys, target: TargetKey): Plan {
  const changes: RowChange[] = [];
  const left: LeftRow[] = [];
  let alreadyCurrent = 0;
  let nulls = 0;
  let empty = 0;
  for (const row of rows) {
    const { key, stored, context, watched } = row;
    if (stored === null) {
      nulls += 1;
      continue;
    }
    const found = attribution(column, row, stored, keys);
    if (found.kind === 'empty') empty += 1;
    else if (found.kind === 'unreadable') left.push({ key, code: found.code });
    else if (context === undefined) left.push({ key, code: 'CONTEXT_COLUMN_IS_NULL' });
    else if (isAsWanted(found, target, context)) alreadyCurrent += 1;
    else {
      const sealed = seal(found.plaintext, target.key, target.number, context, pooledNonce());
      changes.push({ key, stored, watched, sealed: asStored(sealed, column.storage) });
    }
  }
  return { changes, alreadyCurrent, nulls, empty, left };
}

/** What a row's value is. */
export function attribution(column: Column, row: StoredRow, stored: string, keys: RingKeys): Attribution {
  return attribute(stored, column.storage, row.contexts, keys);
}

/** Whether a row is where re-encryption would bring it. */
export function isAsWanted(found: Attribution, target: TargetKey, context: string | undefined): boolean {
  return found.kind === 'numbered' && found.number === target.number && found.context === context;
}
