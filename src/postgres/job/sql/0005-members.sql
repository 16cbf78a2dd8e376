-- Which member of a jsonb object a job re-encrypts: each member of a column has a job of its own. 'data' where the list
-- names none, in columns of other types, too, whose values have no members.

ALTER TABLE pazpaz_keys.job
  ADD COLUMN member text NOT NULL DEFAULT 'data',
  DROP CONSTRAINT job_table_id_column_name_key,
  ADD UNIQUE (table_id, column_name, member);
UPDATE pazpaz_keys.job SET member = options::jsonb->>'member' WHERE options::jsonb->>'member' IS NOT NULL;
