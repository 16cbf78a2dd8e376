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
       -- A column since version 14, which has DETACH PARTITION CONCURRENTLY.
       WHERE NOT coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false))
    SELECT string_agg(id::text, ' ' ORDER BY id) FROM parts)`;
