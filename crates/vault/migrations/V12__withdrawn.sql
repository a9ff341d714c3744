-- Contents that were deleted while they may have been on their way: in no chain, and nothing is to be shown under their names.
CREATE TABLE withdrawn (
    message_id BLOB NOT NULL PRIMARY KEY CHECK (length(message_id) = 16),
    recipient_id BLOB NOT NULL CHECK (length(recipient_id) = 16),
    sent_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
