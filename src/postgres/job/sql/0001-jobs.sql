-- The state of re-encryption jobs, one per column, in a schema of its own in the same database. Everything that a batch
-- did is written here in the transaction that changed its rows, so a process killed anywhere leaves nothing half done.
--
-- IF NOT EXISTS: version 0.1.0 made these tables without writing down their version.

CREATE TABLE IF NOT EXISTS pazpaz_keys.job (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_id oid NOT NULL,
  column_name text NOT NULL,
  options text NOT NULL,
  target integer NOT NULL,
  pass integer NOT NULL DEFAULT 1,
  -- Up to which key the table was cut into ranges; is_cut: to its end.
  frontier jsonb,
  is_cut boolean NOT NULL DEFAULT false,
  ranges integer NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (table_id, column_name)
);

-- A process works on a range while it holds the lock on its row, which PostgreSQL releases when the process dies.
CREATE TABLE IF NOT EXISTS pazpaz_keys.range (
  job_id bigint NOT NULL REFERENCES pazpaz_keys.job ON DELETE CASCADE,
  n integer NOT NULL,
  reached jsonb,
  up_to jsonb,
  is_read boolean NOT NULL DEFAULT false,
  -- Keys of rows that another transaction held or changed.
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
  PRIMARY KEY (job_id, n)
);

CREATE INDEX IF NOT EXISTS range_open ON pazpaz_keys.range (job_id, n) WHERE is_open;

CREATE TABLE IF NOT EXISTS pazpaz_keys.left_row (
  job_id bigint NOT NULL REFERENCES pazpaz_keys.job ON DELETE CASCADE,
  key jsonb NOT NULL,
  code text NOT NULL
);
