import { seal, type openNumbered } from '../../format/ciphertext.ts';
import type { ErrorCode } from '../../format/error.ts';
import { pooledNonce } from '../../format/nonce.ts';
import { attribute, type Attribution } from '../attribution.ts';
import { asStored, losesMembers, memberOf } from '../stored-value.ts';
import type { Column } from '../catalog/column.ts';
import { listedKey, type ScannedRow, type StoredRow } from '../row-reader.ts';
import type { RingKeys } from '../all-keys.ts';
import type { OpeningKeys, TargetKey } from '../known-keys.ts';
import type { RowChange } from './write-rows.ts';

/** Why a row was left as it is: the library's code for a row that does not open, or what else prevented it. */
export type LeftBecause =
  | ErrorCode
  | 'CONTEXT_COLUMN_IS_NULL'
  | 'ROW_BUSY'
  /** Opened only as data from before this system, which knows no context, and these are not to be brought along. */
  | 'LEGACY_ROW'
  /** A JSON text with members of the application's, which would be lost with the old ciphertext. */
  | 'OTHER_MEMBERS'
  /** More bytes than are read at once, in the value or in another text of the row. */
  | 'VALUE_TOO_LARGE'
  /** JSON in JSON or ciphertexts in ciphertexts, more than 32 deep, or what else cannot be looked through. */
  | 'VALUE_TOO_COMPLEX'
  /** Written under an older key again and again while the job ran. */
  | 'WRITTEN_MEANWHILE'
  | `DATABASE:${string}`;

export interface LeftRow {
  readonly key: readonly string[];
  readonly code: LeftBecause;
}

export interface Plan {
  readonly changes: readonly RowChange[];
  /** The numbers of the keys that open the rows to be changed; 0 for a key without one. */
  readonly sources: ReadonlySet<number>;
  readonly alreadyCurrent: number;
  readonly nulls: number;
  readonly empty: number;
  readonly left: readonly LeftRow[];
}

type PlannedColumn = Pick<Column, 'spec' | 'storage'>;

/**
 * `takesLegacy`: rows of older data, too, which verify in their context from then on, wherever they were moved before.
 */
export function planRows(
  column: PlannedColumn,
  rows: readonly StoredRow[],
  keys: RingKeys,
  target: TargetKey,
  takesLegacy = true,
): Plan {
  const changes: RowChange[] = [];
  const sources = new Set<number>();
  const left: LeftRow[] = [];
  let alreadyCurrent = 0;
  let nulls = 0;
  let empty = 0;
  for (const row of rows) {
    const { key, watched } = row;
    const verdict = verdictOn(column, row, keys, target, takesLegacy);
    if (verdict.kind === 'to change') {
      const { found, stored, context } = verdict;
      const { storage, spec } = column;
      keys.countEncryption(target);
      sources.add(found.number);
      const sealed = seal(found.plaintext, target.key, target.number, context, pooledNonce());
      const member = typeof stored === 'string' ? memberOf(stored, storage, spec.member) : undefined;
      changes.push({ key, stored, watched, sealed: asStored(sealed, storage), member });
    } else if (verdict.kind === 'left') left.push({ key: listedKey(key), code: verdict.code });
    else if (verdict.kind === 'as wanted') alreadyCurrent += 1;
    else if (verdict.kind === 'empty') empty += 1;
    else nulls += 1;
  }
  return { changes, sources, alreadyCurrent, nulls, empty, left };
}

/** What a value is that was not read, has no context or was not looked through, beside what `attribute` says of others. */
export type RowAttribution = Attribution | { readonly kind: 'unreadable'; readonly code: LeftBecause };

/** Without a context, no tag can verify. */
const NOT_VERIFIED = 'TAMPERED_OR_WRONG_CONTEXT';

export const TOO_COMPLEX = { kind: 'unreadable', code: 'VALUE_TOO_COMPLEX' } as const;

type Verdict =
  | { readonly kind: 'null' | 'empty' | 'as wanted' }
  | { readonly kind: 'left'; readonly code: LeftBecause }
  | {
      readonly kind: 'to change';
      readonly found: Exclude<RowAttribution, { readonly kind: 'empty' | 'unreadable' }>;
      readonly stored: string | Uint8Array;
      readonly context: string;
    };

/** What a re-encryption does about a row. */
export function verdictOn(
  column: PlannedColumn,
  row: ScannedRow,
  keys: OpeningKeys,
  target: TargetKey,
  takesLegacy: boolean,
): Verdict {
  const { stored, context } = row;
  const left = (code: LeftBecause) => ({ kind: 'left', code }) as const;
  if (stored === null) return { kind: 'null' };
  const found = unlessFailing(() => attribution(column, row, keys)) ?? TOO_COMPLEX;
  if (found.kind === 'empty') return { kind: 'empty' };
  if (found.kind === 'unreadable') return left(found.code);
  if (found.kind === 'legacy' && !takesLegacy) return left('LEGACY_ROW');
  if (context === undefined) return left('CONTEXT_COLUMN_IS_NULL');
  if (isAsWanted(found, target, context)) return { kind: 'as wanted' };
  if (stored === undefined) return left('VALUE_TOO_LARGE');
  const loses = unlessFailing(() => losesMembers(stored, column.storage, column.spec.member));
  if (loses === undefined) return left('VALUE_TOO_COMPLEX');
  return loses ? left('OTHER_MEMBERS') : { kind: 'to change', found, stored, context };
}

/** Whatever is wrong with one value, the others are looked at: `undefined` where it throws. */
export function unlessFailing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

export function attribution(
  column: PlannedColumn,
  { stored, contexts }: ScannedRow,
  keys: OpeningKeys,
  open?: typeof openNumbered,
): RowAttribution {
  if (stored == null) return { kind: 'unreadable', code: 'VALUE_TOO_LARGE' };
  const found = attribute(stored, column.storage, contexts, keys, column.spec.member, open);
  const isContextNull = contexts.length === 0 && found.kind === 'unreadable' && found.code === NOT_VERIFIED;
  return isContextNull ? { kind: 'unreadable', code: 'CONTEXT_COLUMN_IS_NULL' } : found;
}

export function needsChange(
  { storage, spec }: PlannedColumn,
  { stored, context }: ScannedRow,
  found: RowAttribution,
  target: TargetKey,
): boolean {
  if (found.kind === 'empty' || found.kind === 'unreadable' || isAsWanted(found, target, context)) return false;
  return stored == null || !losesMembers(stored, storage, spec.member);
}

export function isAsWanted(found: RowAttribution, target: TargetKey, context: string | undefined): boolean {
  return found.kind === 'numbered' && found.number === target.number && found.context === context;
}
