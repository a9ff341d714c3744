-- Questions and answers about what is missing go before everything else: somebody waits for them.
ALTER TABLE outbox ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0 CHECK (urgent IN (0, 1));
CREATE INDEX outbox_by_urgency ON outbox (recipient_id, urgent DESC, position);
