-- When rows were last re-encrypted from a key, by its number: {"1": "2026-11-30T10:00:00.000Z"}, by the later of the ring's and the database's clock.

ALTER TABLE pazpaz_keys.job ADD COLUMN sources jsonb NOT NULL DEFAULT '{}';
ALTER TABLE pazpaz_keys.range ADD COLUMN sources jsonb NOT NULL DEFAULT '{}';
