-- Transactions of this pass that wrote rows of a range and nothing else could write in: the final check need not open
-- what they wrote. They count only as long as the column is the one that they wrote to. columns: where it and the columns
-- of its context stand in the table and in each partition. NULL: begun by an older version, which did not write it down.

ALTER TABLE pazpaz_keys.range ADD COLUMN written bigint[] NOT NULL DEFAULT '{}';
ALTER TABLE pazpaz_keys.job ADD COLUMN columns text;
