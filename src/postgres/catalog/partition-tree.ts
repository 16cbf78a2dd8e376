/** Whether a row of `pg_inherits` is of a partition that is being detached: since version 14, by a column of it. */
export const isBeingDetached = (row: string) => `coalesce((to_jsonb(${row}) ->> 'inhdetachpending')::boolean, false)`;

/** As the snapshot has them: PostgreSQL's functions read the catalog as it is now. Detached partitions are left out. */
export const partitionTree = (id: string) =>
  `(WITH RECURSIVE parts(id) AS (
      SELECT ${id}
       UNION
      SELECT i.inhrelid FROM parts JOIN pg_inherits i ON i.inhparent = parts.id
        JOIN pg_class part ON part.oid = i.inhrelid AND part.relispartition
       WHERE NOT ${isBeingDetached('i')})
    SELECT string_agg(id::text, ' ' ORDER BY id) FROM parts)`;
