-- What comes late does not overwrite what is newer: when the newest edit and the newest reaction were made, by the word of whoever made
-- them. A reaction that was taken back leaves its row with an empty emoji, so that an older one does not come back.
ALTER TABLE messages ADD COLUMN edited_at_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reactions ADD COLUMN set_at_ms INTEGER NOT NULL DEFAULT 0;
