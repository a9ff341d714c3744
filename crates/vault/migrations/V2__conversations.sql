-- What people do with messages: replies, reactions, edits, deletion, disappearing; and proofs of receipt.

-- What this device has told, word for word, as long as it may be asked for again. Begins with a version byte, then the padded
-- content.
CREATE TABLE sent_contents (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    message_id BLOB NOT NULL UNIQUE CHECK (length(message_id) = 16),
    recipient_id BLOB NOT NULL CHECK (length(recipient_id) = 16),
    previous_id BLOB NOT NULL CHECK (length(previous_id) IN (0, 16)),
    -- The message whose end is the end of this too: a text's own, that of an edit or reaction; empty: none.
    subject_author_id BLOB NOT NULL CHECK (length(subject_author_id) IN (0, 16)),
    subject_id BLOB NOT NULL CHECK (length(subject_id) IN (0, 16)),
    content BLOB NOT NULL,
    sent_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sent_contents_by_recipient ON sent_contents (recipient_id, position);
CREATE INDEX sent_contents_by_subject ON sent_contents (subject_id);
CREATE INDEX sent_contents_by_time ON sent_contents (sent_at_ms);

-- What this device told somebody last.
CREATE TABLE chains (
    peer_id BLOB NOT NULL PRIMARY KEY CHECK (length(peer_id) = 16),
    last_sent_id BLOB NOT NULL CHECK (length(last_sent_id) = 16)
) STRICT, WITHOUT ROWID;

-- Without a row: one hour after reading.
CREATE TABLE timers (
    peer_id BLOB NOT NULL PRIMARY KEY CHECK (length(peer_id) = 16),
    expiry_after_ms INTEGER NOT NULL,
    expiry_start TEXT NOT NULL CHECK (expiry_start IN ('off', 'read', 'receipt'))
) STRICT, WITHOUT ROWID;

CREATE TABLE reactions (
    author_id BLOB NOT NULL CHECK (length(author_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    reactor_id BLOB NOT NULL CHECK (length(reactor_id) = 16),
    emoji TEXT NOT NULL,
    PRIMARY KEY (author_id, message_id, reactor_id)
) STRICT, WITHOUT ROWID;

-- Messages that were shown, which their senders are still to be told.
CREATE TABLE reads (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    proof BLOB NOT NULL CHECK (length(proof) = 16),
    UNIQUE (sender_id, message_id)
) STRICT;

CREATE TABLE settings (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    read_receipts INTEGER NOT NULL CHECK (read_receipts IN (0, 1)),
    presence INTEGER NOT NULL CHECK (presence IN (0, 1)),
    typing INTEGER NOT NULL CHECK (typing IN (0, 1))
) STRICT;

-- The vault's own time, and what the device's clock showed then.
CREATE TABLE own_time (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    own_ms INTEGER NOT NULL,
    clock_ms INTEGER NOT NULL
) STRICT;

ALTER TABLE contacts ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1));

ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'text' CHECK (kind IN ('text', 'timer'));
ALTER TABLE messages ADD COLUMN reply_author_id BLOB NOT NULL DEFAULT x'' CHECK (length(reply_author_id) IN (0, 16));
ALTER TABLE messages ADD COLUMN reply_id BLOB NOT NULL DEFAULT x'' CHECK (length(reply_id) IN (0, 16));
ALTER TABLE messages ADD COLUMN edits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1));
ALTER TABLE messages ADD COLUMN receipt_key BLOB NOT NULL DEFAULT x'' CHECK (length(receipt_key) IN (0, 32));
-- How a text disappears; of a timer: how messages disappear from then on.
ALTER TABLE messages ADD COLUMN expiry_after_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN expiry_start TEXT NOT NULL DEFAULT 'off' CHECK (expiry_start IN ('off', 'read', 'receipt'));
-- In the vault's own time; 0: not counting yet.
ALTER TABLE messages ADD COLUMN expires_at_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_by_expiry ON messages (expires_at_ms) WHERE expires_at_ms > 0;
