import type { Storage } from '../stored-value.ts';
import { nameOfColumn, placeOf, type NamedColumn } from './column-name.ts';
import type { ContextTemplate } from '../../format/context-template.ts';
import { DATA_MEMBER } from '../../format/row-from-json.ts';
import { quoted } from '../connection/database.ts';
import type { ServerText } from '../connection/server-text.ts';

export interface ColumnSpec {
  /** As SQL would write it: `patients`, `clinic.patients`, `"Patients"`. */
  readonly table: string;
  readonly column: string;
  /** Of a jsonb column: the member of its objects that holds the ciphertext. Default: `data`. */
  readonly member?: string;
  /** Columns that name a row; a unique index over them is needed. Default: the primary key. */
  readonly key?: readonly string[];
  /** Template of the context that its rows are in. Default: no context. */
  readonly context?: string;
  /** Template of the context to move its rows to. Default: the same. */
  readonly toContext?: string;
}

export interface KeyColumn {
  readonly name: string;
  /**
   * Quoted for SQL, with its schema. Of a domain the type under it: a CHECK of the domain would run code of its owner.
   * Of an alias of oid, such as regclass: oid.
   */
  readonly type: string;
  readonly typeId: string;
  /** Whether the column is of a domain over that type, or of an alias of it. */
  readonly isCast: boolean;
  readonly isAlias: boolean;
  /** The schema of the operators that its index compares with, quoted for SQL. */
  readonly operators: string;
  readonly operatorsId: string;
}

/**
 * Types of which one value has one text, and a short one. Of others, 1.0 and 1.00 say, a key may change its text and stay
 * the same key.
 */
const ONE_TEXT = new Set(['int2', 'int4', 'int8', 'oid', 'uuid'].map((name) => `pg_catalog.${name}`));

export function hasOneText({ type }: KeyColumn): boolean {
  return ONE_TEXT.has(type);
}

/** The column of the row `t`, as it is compared and kept as text. */
export function keyCell({ name, type, isCast }: KeyColumn): string {
  return `t.${quoted(name)}${isCast ? `::${type}` : ''}`;
}

export interface TriggerOnUpdate {
  readonly name: string;
  /** `BEFORE UPDATE, function public.touch()`, `foreign key of public.child, ON UPDATE CASCADE`, or a rule. */
  readonly does: string;
  /** Whether it fires with `--triggers fire`: all but those that are `ENABLE REPLICA`. */
  readonly firesOnFire: boolean;
  /** Whether `--triggers skip` is refused because of it: it is `ENABLE REPLICA`, `ENABLE ALWAYS` or a foreign key. */
  readonly isUnskippable: boolean;
  /** Whether it is a foreign key to or of the column. It would not be enforced with `--triggers skip`. */
  readonly isForeignKey: boolean;
}

export interface Column {
  readonly spec: ColumnSpec;
  /** The members of the column's values that the list names, its own among them. */
  readonly members: readonly (string | undefined)[];
  /** The table's own number in this database: a table that was dropped and made again has another. */
  readonly tableId: string;
  /** This number, and those of the tables that it is a partition of, the topmost last. */
  readonly ancestors: readonly string[];
  /** Schema and table, quoted for SQL. */
  readonly table: string;
  /** For FROM and UPDATE: without the child tables by inheritance, each of which is a table of its own. */
  readonly ownRows: string;
  readonly owner: string;
  /** Which version of its schema's row in the catalog gave the table its name; each ALTER SCHEMA makes another. */
  readonly schemaVersion: string;
  readonly column: string;
  /** Its number in the table, which it keeps when it is renamed. */
  readonly columnNumber: number;
  /** In the order of the index that rows are read along. */
  readonly key: readonly KeyColumn[];
  readonly storage: Storage;
  readonly server: ServerText | undefined;
  /** Characters that a `varchar(n)` or `char(n)` takes; `undefined` where there is no limit. */
  readonly limit: number | undefined;
  /** The context rows are re-encrypted under. */
  readonly context: ContextTemplate;
  /** Where rows are moved from another context: that one. */
  readonly fromContext: ContextTemplate | undefined;
  /** Columns of the context whose text depends on settings of a session, each with its type. */
  readonly spelled: readonly string[];
  readonly triggers: readonly TriggerOnUpdate[];
  /** Columns that PostgreSQL generates from this one. */
  readonly derived: readonly string[];
  /**
   * Stored generated columns of the table. Where it has a BEFORE UPDATE trigger, even one that does not fire, an update
   * computes each again: to another value where the function or a setting has changed since.
   */
  readonly computed: readonly string[];
  /** Rows that PostgreSQL believes to be there; `undefined` where it never looked. */
  readonly estimatedRows: number | undefined;
  /** Why some rows may not be seen; empty where all are. */
  readonly unseen: readonly string[];
  /** Whether the table was locked before its rows and its definition were seen; not with a right to single columns only. */
  readonly isLocked: boolean;
  readonly mayUpdate: boolean;
  /** Whether a role that is not trusted owns the table or a type of it, to which it could add code at any time. */
  readonly mayGainCode: boolean;
  /** The lock that an update of the column takes: a stronger one where a unique index is over it. */
  readonly lock: 'NO KEY UPDATE' | 'UPDATE';
  /**
   * Columns of the context that may change while key and value stay: a row must not be sealed in the context from
   * before.
   */
  readonly watched: readonly string[];
  /** Columns in the contexts of the table's other listed columns: a trigger of this one must leave them, too. */
  readonly otherContexts: readonly string[];
  /** The table's other listed values, which a trigger of this one must leave as they are. */
  readonly otherValues: readonly OtherValue[];
}

/** Another listed column, or another listed member of the same one. */
export type OtherValue = Pick<Column, 'spec' | 'storage' | 'column'>;

/** Whether a row of one is a row of the other: of the same table, or of a partition and its table. */
export function sharesRows(one: Pick<Column, 'ancestors' | 'tableId'>, other: typeof one): boolean {
  return one.ancestors.includes(other.tableId) || other.ancestors.includes(one.tableId);
}

/** The member of jsonb objects that holds the ciphertext. Columns of other types have the default, too. */
export function listedMember({ spec }: Pick<Column, 'spec'>): string {
  return spec.member ?? DATA_MEMBER;
}

/** As the operator named it: `patients.notes`. */
export function columnName({ spec }: Pick<Column, 'spec'>): string {
  return nameOfColumn(spec.table, spec);
}

export function namedColumn({ table: relation, owner, spec }: Column): NamedColumn {
  return placeOf({ ...spec, relation, owner });
}
