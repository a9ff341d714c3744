-- As before, but bodies stand one behind the other as they come, and only their names in the order of names: a body that
-- comes writes to a page that others write to as well, instead of to two of its own.
CREATE TABLE bodies_2 (
    name       BLOB    NOT NULL UNIQUE CHECK (length(name) = 32),
    body       BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
INSERT INTO bodies_2 (name, body, expires_at) SELECT name, body, expires_at FROM bodies ORDER BY expires_at;
DROP TABLE bodies;
ALTER TABLE bodies_2 RENAME TO bodies;
CREATE INDEX bodies_by_expiry ON bodies (expires_at);
