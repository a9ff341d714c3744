-- What was done with a message of its own author that is missing, or could not be read, until that message comes. The content begins
-- with a version byte.
CREATE TABLE early (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    target_id BLOB NOT NULL CHECK (length(target_id) = 16),
    content BLOB NOT NULL,
    kept_at_ms INTEGER NOT NULL,
    UNIQUE (sender_id, message_id)
) STRICT;
CREATE INDEX early_by_target ON early (sender_id, target_id, position);
