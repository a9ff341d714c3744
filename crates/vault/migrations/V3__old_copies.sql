-- What a vault needs to notice that it was put back to an older copy, and to go on safely.

CREATE TABLE generation (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    generation INTEGER NOT NULL,
    -- Whether the server may hold one-time keys whose private halves are not here.
    keys_stale INTEGER NOT NULL CHECK (keys_stale IN (0, 1))
) STRICT;

-- Sessions in which nothing is ever sealed again; what is under way in them can still be opened.
CREATE TABLE frozen_sessions (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    device_id INTEGER NOT NULL CHECK (device_id BETWEEN 1 AND 127),
    record BLOB NOT NULL
) STRICT;
CREATE INDEX frozen_sessions_by_device ON frozen_sessions (account_id, device_id, position);
