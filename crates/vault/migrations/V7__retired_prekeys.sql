-- Prekeys from before the vault was put back to an older copy: sessions may have begun with them of which nothing is here.
ALTER TABLE prekeys ADD COLUMN retired INTEGER NOT NULL DEFAULT 0 CHECK (retired IN (0, 1));
