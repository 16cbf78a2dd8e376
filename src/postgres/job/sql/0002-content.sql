-- Which files held the table when the job's rows were begun. TRUNCATE, a restore and a rewrite make others: the rows that
-- were done are then not those that are there. NULL: begun by version 0.1.0, which did not write it down.

ALTER TABLE pazpaz_keys.job ADD COLUMN content text;
