import { DatabaseFailure } from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';

/**
 * The state of re-encryption jobs, one per column, in a schema of its own in the same database. Everything that a batch
 * did is written here in the transaction that changed its rows, so a process killed anywhere leaves nothing half done.
 *
 * `frontier`: up to where the table was cut into ranges; `is_cut`: to its end. A process works on a range while it holds
 * the lock on its row, which PostgreSQL releases when the process dies. `again`: keys of rows that another transaction
 * held or changed.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS pazpaz_keys.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_id oid NOT NULL,
    column_name text NOT NULL,
    options text NOT NULL,
    target integer NOT NULL,
    pass integer NOT NULL DEFAULT 1,
    frontier jsonb,
    is_cut boolean NOT NULL DEFAULT false,
    ranges integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    UNIQUE (table_id, column_name));
  CREATE TABLE IF NOT EXISTS pazpaz_keys.range (
    job_id bigint NOT NULL REFERENCES pazpaz_keys.job ON DELETE CASCADE,
    n integer NOT NULL,
    reached jsonb,
    up_to jsonb,
    is_read boolean NOT NULL DEFAULT false,
    again jsonb NOT NULL DEFAULT '[]',
    tries integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    is_open boolean NOT NULL DEFAULT true,
    read_rows bigint NOT NULL DEFAULT 0,
    reencrypted bigint NOT NULL DEFAULT 0,
    already_current bigint NOT NULL DEFAULT 0,
    nulls bigint NOT NULL DEFAULT 0,
    empty bigint NOT NULL DEFAULT 0,
    left_rows bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, n));
  CREATE INDEX IF NOT EXISTS range_open ON pazpaz_keys.range (job_id, n) WHERE is_open;
  CREATE TABLE IF NOT EXISTS pazpaz_keys.left_row (
    job_id bigint NOT NULL REFERENCES pazpaz_keys.job ON DELETE CASCADE,
    key jsonb NOT NULL,
    code text NOT NULL)`;

/** What of the schema and its tables belongs to a role other than the current user or a superuser, or was added by one. */
const FOREIGN = `
  WITH trusted AS (SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user),
       tables AS (SELECT c.* FROM pg_class c WHERE c.relnamespace = $1::oid)
  SELECT format('the schema belongs to %s', pg_get_userbyid(nspowner))
    FROM pg_namespace WHERE oid = $1::oid AND nspowner NOT IN (SELECT oid FROM trusted)
  UNION ALL
  SELECT format('%I belongs to %s', relname, pg_get_userbyid(relowner))
    FROM tables WHERE relkind <> 'i' AND relowner NOT IN (SELECT oid FROM trusted)
  UNION ALL
  SELECT format('%I is no table', relname)
    FROM tables WHERE relname IN ('job', 'range', 'left_row') AND relkind <> 'r'
  UNION ALL
  SELECT format('%I has the trigger %I', relname, tgname)
    FROM tables JOIN pg_trigger ON tgrelid = tables.oid WHERE NOT tgisinternal
  UNION ALL
  SELECT format('%I has the rule %I', relname, rulename)
    FROM tables JOIN pg_rewrite ON ev_class = tables.oid WHERE relkind = 'r'`;

/**
 * Makes schema and tables where they are not there yet, within the caller's transaction. Throws `DATABASE_REFUSED` where
 * they are there and another role may have its functions run by them, with the rights of the current user.
 */
export async function openJobTables(session: Connection): Promise<void> {
  const [found] = await session.rows("SELECT oid FROM pg_namespace WHERE nspname = 'pazpaz_keys'");
  const schema = found?.[0];
  if (schema != null) await requireTrusted(session, schema);
  if ((await session.rows("SELECT 1 WHERE to_regclass('pazpaz_keys.left_row') IS NOT NULL")).length > 0) return;
  try {
    // IF NOT EXISTS would ask for the privilege even where the schema was made for this user.
    if (schema == null) await session.change('CREATE SCHEMA pazpaz_keys');
    for (const statement of TABLES.split(';')) await session.change(statement);
    if (schema == null) await session.change('REVOKE ALL ON SCHEMA pazpaz_keys FROM PUBLIC');
    await session.change('REVOKE ALL ON ALL TABLES IN SCHEMA pazpaz_keys FROM PUBLIC');
  } catch (error) {
    if (!(error instanceof DatabaseFailure) || error.state !== '42501') throw error;
    throw new DatabaseFailure(
      'DATABASE_REFUSED',
      'This user may not make the schema pazpaz_keys, which keeps the state of re-encryption jobs. An owner of the ' +
        'database allows it (GRANT CREATE ON DATABASE … TO its role), or makes the schema for it (CREATE SCHEMA pazpaz_keys ' +
        'AUTHORIZATION its role).',
      error.state,
    );
  }
}

async function requireTrusted(session: Connection, schema: string): Promise<void> {
  const foreign = await session.rows(FOREIGN, [schema]);
  if (foreign.length === 0) return;
  throw new DatabaseFailure(
    'DATABASE_REFUSED',
    `The schema pazpaz_keys is not trusted: ${foreign.map(([what]) => what ?? '').join('; ')}. Its owner could have functions ` +
      'run with your rights. Run this as that role, or look at the schema and drop it (DROP SCHEMA pazpaz_keys CASCADE): ' +
      'a job then begins again, and rows that it has brought to the current key are only read.',
  );
}
