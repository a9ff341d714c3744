-- Both sides may set a timer at once: the later setting counts, for both. By the clock of whoever set it, but always later than what
-- they knew.
ALTER TABLE timers ADD COLUMN set_at_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE timers ADD COLUMN set_by BLOB NOT NULL DEFAULT x'' CHECK (length(set_by) IN (0, 16));
