/** Whether a row of `pg_inherits` is of a partition that is being detached: since version 14, by a column of it. */
export const isBeingDetached = (row: string) => `coalesce((to_jsonb(${row}) ->> 'inhdetachpending')::boolean, false)`;

/**
 * Without those being detached. PostgreSQL's functions for it wait for a partition that another transaction has locked.
 */
export const partitionsOf = (id: string) =>
  `(WITH RECURSIVE parts(id) AS (
      SELECT ${id}
       UNION
      SELECT i.inhrelid FROM parts JOIN pg_inherits i ON i.inhparent = parts.id
        JOIN pg_class part ON part.oid = i.inhrelid AND part.relispartition
       WHERE NOT ${isBeingDetached('i')})
    SELECT id FROM parts)`;

/** Their numbers in a text, in order. */
export const partitionTree = (id: string) =>
  `(SELECT string_agg(id::text, ' ' ORDER BY id) FROM ${partitionsOf(id)} tree(id))`;
