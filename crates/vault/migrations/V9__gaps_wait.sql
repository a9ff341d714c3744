-- When a gap was found, in the vault's own time: however long its question waits, it does not wait for ever.
ALTER TABLE gaps ADD COLUMN found_at_ms INTEGER NOT NULL DEFAULT 0;
