-- Sealed bodies, under names that only the router can compute. Nothing here tells whose they are.
CREATE TABLE bodies (
    name       BLOB    NOT NULL PRIMARY KEY CHECK (length(name) = 32),
    body       BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bodies_by_expiry ON bodies (expires_at);

-- Public prekeys of devices. kind: 0 signed, 1 last-resort Kyber, 2 one-time, 3 one-time Kyber.
CREATE TABLE prekeys (
    account_id BLOB    NOT NULL CHECK (length(account_id) = 16),
    device_id  INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
    key_id     INTEGER NOT NULL,
    key        BLOB    NOT NULL,
    signature  BLOB    NOT NULL,
    PRIMARY KEY (account_id, device_id, kind, key_id)
) STRICT, WITHOUT ROWID;
