import type { Postgres } from './postgres.ts';

/** The times of past re-encryptions, which are by the database's clock, become so many hours earlier. */
export async function moveReencryptionsBack({ client }: Postgres, hours: number): Promise<void> {
  const earlier = `(value::timestamptz - interval '${hours} hours') AT TIME ZONE 'UTC'`;
  await client.query(
    `UPDATE pazpaz_keys.range
        SET sources = (SELECT jsonb_object_agg(key, to_char(${earlier}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) FROM jsonb_each_text(sources))
      WHERE sources <> '{}'`,
  );
}
