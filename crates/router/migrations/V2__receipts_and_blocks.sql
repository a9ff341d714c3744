-- Proofs of receipt, silent receipts, blocks.

-- Who has blocked whom, and when that last changed (0: never); the other side does not see the time.
ALTER TABLE conversations ADD COLUMN initiator_blocks INTEGER NOT NULL DEFAULT 0 CHECK (initiator_blocks IN (0, 1));
ALTER TABLE conversations ADD COLUMN initiator_blocks_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN peer_blocks INTEGER NOT NULL DEFAULT 0 CHECK (peer_blocks IN (0, 1));
ALTER TABLE conversations ADD COLUMN peer_blocks_at INTEGER NOT NULL DEFAULT 0;

-- As before, and: sender_device 0 and position 0 in a row that was made when a message was read that had never waited.
-- proof: what the recipient's device gave with state 2 or 3, or empty. silent 1: the sender is told no more than "sent".
CREATE TABLE message_statuses_2 (
    message_id       BLOB    NOT NULL CHECK (length(message_id) = 16),
    recipient_id     BLOB    NOT NULL CHECK (length(recipient_id) = 16),
    recipient_device INTEGER NOT NULL CHECK (recipient_device BETWEEN 1 AND 127),
    sender_id        BLOB    NOT NULL CHECK (length(sender_id) = 16),
    sender_device    INTEGER NOT NULL CHECK (sender_device BETWEEN 0 AND 127),
    position         INTEGER NOT NULL,
    state            INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    updated_at       INTEGER NOT NULL,
    proof            BLOB    NOT NULL CHECK (length(proof) IN (0, 16)),
    silent           INTEGER NOT NULL CHECK (silent IN (0, 1)),
    PRIMARY KEY (message_id, recipient_id, recipient_device)
) STRICT, WITHOUT ROWID;
INSERT INTO message_statuses_2 (message_id, recipient_id, recipient_device, sender_id, sender_device, position, state,
    updated_at, proof, silent)
SELECT message_id, recipient_id, recipient_device, sender_id, sender_device, position, state, updated_at, x'', 0
FROM message_statuses;
DROP TABLE message_statuses;
ALTER TABLE message_statuses_2 RENAME TO message_statuses;
CREATE INDEX message_statuses_waiting
    ON message_statuses (recipient_id, recipient_device, position) WHERE state = 1;
CREATE INDEX message_statuses_by_sender ON message_statuses (sender_id, updated_at, message_id);
