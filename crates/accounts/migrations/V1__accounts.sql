-- Accounts, devices, sessions, invitations. Ids are 16 bytes, times are milliseconds since 1970.

CREATE TABLE accounts (
    account_id BLOB NOT NULL PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    -- Signal encoding, 33 bytes.
    identity_key BLOB NOT NULL,
    -- OPAQUE records: one version byte, then the record of RFC 9807.
    password_record BLOB NOT NULL,
    words_record BLOB NOT NULL,
    administrator INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    account_id BLOB NOT NULL REFERENCES accounts (account_id) ON DELETE CASCADE,
    device_id INTEGER NOT NULL,
    -- Ed25519, 32 bytes.
    login_key BLOB NOT NULL,
    registration_id INTEGER NOT NULL,
    -- 1 after a log-out: the signature alone does not open a session.
    logged_out INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    session_id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL,
    device_id INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (account_id, device_id),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token.
    token_hash BLOB NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    account_id BLOB NOT NULL,
    -- 1 once exchanged; kept so that a second use is noticed.
    used INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at_ms);

CREATE TABLE invitations (
    -- SHA-256 of the secret.
    secret_hash BLOB NOT NULL PRIMARY KEY,
    uses_left INTEGER NOT NULL,
    -- Account id; empty: the operator.
    created_by BLOB NOT NULL,
    -- 1 if made for the first account of the server.
    first INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
