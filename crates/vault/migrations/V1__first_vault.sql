-- The first vault. Absent values are empty texts and blobs or zeros; ids are 16 raw bytes; times are milliseconds
-- since 1970. Stored objects begin with a version byte.

CREATE TABLE server (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    pin BLOB NOT NULL CHECK (length(pin) IN (0, 32)),
    tls_disabled INTEGER NOT NULL CHECK (tls_disabled IN (0, 1)),
    certificate_unchecked INTEGER NOT NULL CHECK (certificate_unchecked IN (0, 1)),
    delivery_mode INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    handle TEXT NOT NULL,
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    registration_id INTEGER NOT NULL,
    identity_key_pair BLOB NOT NULL,
    login_key BLOB NOT NULL,
    administrator INTEGER NOT NULL CHECK (administrator IN (0, 1)),
    standing TEXT NOT NULL CHECK (standing IN ('registering', 'signed-in', 'signed-out'))
) STRICT;

CREATE TABLE tokens (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    access_token TEXT NOT NULL,
    access_expires_at_ms INTEGER NOT NULL,
    refresh_token TEXT NOT NULL,
    refresh_expires_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE prekeys (
    kind TEXT NOT NULL CHECK (kind IN ('signed', 'last-resort', 'one-time', 'kyber')),
    id INTEGER NOT NULL,
    record BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    published INTEGER NOT NULL CHECK (published IN (0, 1)),
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX prekeys_by_kind ON prekeys (kind, created_at_ms);

CREATE TABLE prekey_sequence (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    next_id INTEGER NOT NULL
) STRICT;

-- Uses of last-resort keys, so that a repeated first message is refused.
CREATE TABLE last_resort_uses (
    kyber_id INTEGER NOT NULL,
    signed_id INTEGER NOT NULL,
    base_key BLOB NOT NULL,
    PRIMARY KEY (kyber_id, signed_id, base_key)
) STRICT;

CREATE TABLE sessions (
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    record BLOB NOT NULL,
    PRIMARY KEY (account_id, device_id)
) STRICT;

CREATE TABLE contacts (
    account_id BLOB NOT NULL PRIMARY KEY CHECK (length(account_id) = 16),
    handle TEXT NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('asked', 'asking', 'accepted', 'refused')),
    -- Whether the person of this vault ever asked or accepted this account; the server's word alone makes no contact.
    consented INTEGER NOT NULL CHECK (consented IN (0, 1)),
    conversation_id BLOB NOT NULL CHECK (length(conversation_id) IN (0, 16)),
    identity_key BLOB NOT NULL CHECK (length(identity_key) IN (0, 33)),
    own_name TEXT NOT NULL,
    verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
    updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX contacts_by_handle ON contacts (handle, updated_at_ms);

-- Names that the person asked whose account is not known yet.
CREATE TABLE consents (
    handle TEXT NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE messages (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    peer_id BLOB NOT NULL CHECK (length(peer_id) = 16),
    outgoing INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
    text TEXT NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    stored_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'failed', 'unreadable', 'sent', 'expired', 'received', 'read')),
    UNIQUE (sender_id, message_id)
) STRICT;
CREATE INDEX messages_by_peer ON messages (peer_id, position);

-- Outlives the messages: what was shown once is not shown again.
CREATE TABLE seen (
    sender_id BLOB NOT NULL CHECK (length(sender_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    PRIMARY KEY (sender_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    message_id BLOB NOT NULL UNIQUE CHECK (length(message_id) = 16),
    recipient_id BLOB NOT NULL CHECK (length(recipient_id) = 16)
) STRICT;
CREATE INDEX outbox_by_recipient ON outbox (recipient_id, position);

-- An empty body is to be sealed again: the server did not know the device.
CREATE TABLE outbox_envelopes (
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    sealed BLOB NOT NULL,
    PRIMARY KEY (message_id, device_id)
) STRICT;

CREATE TABLE sync_cursor (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    updated_at_ms INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) IN (0, 16))
) STRICT;
