-- How fast a job goes and what it waits for: all of its processes obey it, and it may change while they run. A row of its
-- own: the final check of a job locks the job's row for as long as it reads the table, and a pause must not wait for that.
-- NULL: that brake is off.

CREATE TABLE pazpaz_keys.brake (
  job_id bigint PRIMARY KEY REFERENCES pazpaz_keys.job ON DELETE CASCADE,
  is_paused boolean NOT NULL DEFAULT false,
  max_rows_per_second integer CHECK (max_rows_per_second > 0),
  batch_milliseconds integer CHECK (batch_milliseconds > 0),
  max_lag_seconds integer CHECK (max_lag_seconds > 0),
  max_held_wal_megabytes integer CHECK (max_held_wal_megabytes > 0),
  min_free_disk_megabytes integer CHECK (min_free_disk_megabytes > 0),
  waits_for_vacuum boolean NOT NULL,
  waits_for_locks boolean NOT NULL,
  pause_while text,
  -- Up to when the rows that processes have reserved take, at the rate.
  next_free_at timestamptz NOT NULL DEFAULT now()
);
