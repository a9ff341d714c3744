-- Order, gaps, and what is to be asked for again.

-- What came before a content by its sender's word, and where it stands among the messages with its sender; 0: not applied.
ALTER TABLE seen ADD COLUMN previous_id BLOB NOT NULL DEFAULT x'' CHECK (length(previous_id) IN (0, 16));
ALTER TABLE seen ADD COLUMN place INTEGER NOT NULL DEFAULT 0;

-- History is ordered by place, then by position. Ordinary places lie far apart: what comes late finds room between.
ALTER TABLE messages ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN gap_before INTEGER NOT NULL DEFAULT 0 CHECK (gap_before IN (0, 1));
ALTER TABLE messages ADD COLUMN late INTEGER NOT NULL DEFAULT 0 CHECK (late IN (0, 1));
UPDATE messages SET place = position * 4294967296;
CREATE TRIGGER messages_take_their_place AFTER INSERT ON messages WHEN NEW.place = 0 BEGIN
    UPDATE messages SET place = NEW.position * 4294967296 WHERE position = NEW.position;
END;
CREATE INDEX messages_by_place ON messages (peer_id, place, position);

-- Whether the server refused it for good: it never came to anybody.
ALTER TABLE sent_contents ADD COLUMN failed INTEGER NOT NULL DEFAULT 0 CHECK (failed IN (0, 1));

-- The newest content of each device of others that was applied in order.
CREATE TABLE heads (
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    PRIMARY KEY (account_id, device_id)
) STRICT, WITHOUT ROWID;

-- Opened contents whose predecessor has not come. The content begins with a version byte.
CREATE TABLE held (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    carried_id BLOB NOT NULL CHECK (length(carried_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    previous_id BLOB NOT NULL CHECK (length(previous_id) = 16),
    content BLOB NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    UNIQUE (sender_id, message_id)
) STRICT;
CREATE INDEX held_by_predecessor ON held (sender_id, previous_id);

-- What is missing before a content that is here. Waiting: it is held; otherwise it was applied all the same.
CREATE TABLE gaps (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    -- The last that was there before the gap, the last that is missing, and the first that is there again.
    after_id BLOB NOT NULL CHECK (length(after_id) IN (0, 16)),
    missing_id BLOB NOT NULL CHECK (length(missing_id) = 16),
    before_id BLOB NOT NULL CHECK (length(before_id) = 16),
    -- The message that bears the mark.
    marked_id BLOB NOT NULL CHECK (length(marked_id) = 16),
    waiting INTEGER NOT NULL CHECK (waiting IN (0, 1)),
    asks INTEGER NOT NULL,
    ask_at_ms INTEGER NOT NULL,
    -- When waiting ends; 0: nobody could be asked yet.
    mark_at_ms INTEGER NOT NULL,
    UNIQUE (sender_id, before_id)
) STRICT;

-- Messages that could not be opened, to be asked for again.
CREATE TABLE unreadable (
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    asks INTEGER NOT NULL,
    ask_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sender_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unreadable_by_time ON unreadable (ask_at_ms);
