/** Whether a row of `pg_inherits` is of a partition that is being detached: since version 14, by a column of it. */
export const isBeingDetached = (row: string) => `coalesce((to_jsonb(${row}) ->> 'inhdetachpending')::boolean, false)`;

/**
 * The numbers of a table and its partitions, as the snapshot of the statement has them: the functions of PostgreSQL for
 * it read the catalog as it is now. A partition that is being detached is left out.
 */
export const partitionTree = (id: string) =>
  `(WITH RECURSIVE parts(id) AS (
      SELECT ${id}
       UNION
      SELECT i.inhrelid FROM parts JOIN pg_inherits i ON i.inhparent = parts.id
        JOIN pg_class part ON part.oid = i.inhrelid AND part.relispartition
       WHERE NOT ${isBeingDetached('i')})
    SELECT string_agg(id::text, ' ' ORDER BY id) FROM parts)`;
