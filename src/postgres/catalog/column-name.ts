/** A column as reports name it, or a member of its jsonb objects. */
export interface NamedColumn {
  /** Schema and table, quoted for SQL. */
  readonly relation: string;
  readonly owner: string;
  readonly column: string;
  /** The member that holds the ciphertext; absent where the list names none. */
  readonly member?: string;
}

/** `clinic.patients.notes`; for a member of its objects `clinic.patients.notes->data`. */
export function nameOfColumn(
  table: string,
  { column, member }: { readonly column: string; readonly member?: string | undefined },
): string {
  return member === undefined ? `${table}.${column}` : `${table}.${column}->${member}`;
}

/** With the table's owner: `clinic.patients.notes (owner app)`. */
export function ownedName({ relation, owner, ...place }: NamedColumn): string {
  return `${nameOfColumn(relation, place)} (owner ${owner})`;
}

/** The column's name alone, out of a report. */
export function placeOf({
  relation,
  owner,
  column,
  member,
}: Omit<NamedColumn, 'member'> & { readonly member?: string | undefined }): NamedColumn {
  return { relation, owner, column, ...(member === undefined ? {} : { member }) };
}
