-- A number names one job for good, so it is random: a process whose job was replaced, or whose schema was dropped, must
-- not find another job under its number. A sequence would also begin again in a logical copy of the database.

ALTER TABLE pazpaz_keys.job ALTER COLUMN id DROP IDENTITY IF EXISTS;

-- Where a publication is FOR ALL TABLES, rows without a key can be deleted only with a replica identity.

ALTER TABLE pazpaz_keys.left_row REPLICA IDENTITY FULL;

-- Since when the server runs that counted the transactions in written. In a logical copy, they are those of another one.

ALTER TABLE pazpaz_keys.range ADD COLUMN written_in timestamptz;
