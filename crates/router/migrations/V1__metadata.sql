-- Everything that the router knows: who talks with whom and what has arrived. No content, no keys.

-- state: 0 requested by the initiator, 1 accepted, 2 refused by the peer. The initiator is not told of a refusal: for them
-- a refused row looks as it did when it was requested, its time included.
CREATE TABLE conversations (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    initiator_id BLOB    NOT NULL CHECK (length(initiator_id) = 16),
    peer_id      BLOB    NOT NULL CHECK (length(peer_id) = 16 AND peer_id <> initiator_id),
    state        INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    requested_at INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    UNIQUE (initiator_id, peer_id)
) STRICT;
CREATE INDEX conversations_by_initiator ON conversations (initiator_id, updated_at, id);
CREATE INDEX conversations_by_peer ON conversations (peer_id, updated_at, id);

-- session_id: the log-in session of the sender. read_at: 0 while unread.
CREATE TABLE messages (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    conversation_id BLOB    NOT NULL CHECK (length(conversation_id) = 16),
    sender_id       BLOB    NOT NULL CHECK (length(sender_id) = 16),
    recipient_id    BLOB    NOT NULL CHECK (length(recipient_id) = 16),
    message_type    INTEGER NOT NULL,
    timestamp       INTEGER NOT NULL,
    session_id      BLOB    NOT NULL,
    is_read         INTEGER NOT NULL CHECK (is_read IN (0, 1)),
    read_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_by_timestamp ON messages (timestamp);

-- One row for each device that a message goes to. state: 1 sent (waits here), 2 received, 3 read, 4 expired.
-- position orders the queue of a device.
CREATE TABLE message_statuses (
    message_id       BLOB    NOT NULL CHECK (length(message_id) = 16),
    recipient_id     BLOB    NOT NULL CHECK (length(recipient_id) = 16),
    recipient_device INTEGER NOT NULL CHECK (recipient_device BETWEEN 1 AND 127),
    sender_id        BLOB    NOT NULL CHECK (length(sender_id) = 16),
    sender_device    INTEGER NOT NULL CHECK (sender_device BETWEEN 1 AND 127),
    position         INTEGER NOT NULL,
    state            INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    updated_at       INTEGER NOT NULL,
    PRIMARY KEY (message_id, recipient_id, recipient_device)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_statuses_waiting
    ON message_statuses (recipient_id, recipient_device, position) WHERE state = 1;
CREATE INDEX message_statuses_by_sender ON message_statuses (sender_id, updated_at, message_id);

CREATE TABLE calls (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    conversation_id BLOB    NOT NULL CHECK (length(conversation_id) = 16),
    caller_id       BLOB    NOT NULL CHECK (length(caller_id) = 16),
    state           INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL
) STRICT;

-- Filled only where the operator has switched "last seen" on.
CREATE TABLE user_presence (
    account_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(account_id) = 16),
    last_seen_at INTEGER NOT NULL
) STRICT;
