-- Identity keys that servers or peers have shown instead of the known ones. None is used before the person accepts it.
CREATE TABLE offered_identities (
    account_id BLOB NOT NULL PRIMARY KEY CHECK (length(account_id) = 16),
    identity_key BLOB NOT NULL CHECK (length(identity_key) = 33)
) STRICT, WITHOUT ROWID;
