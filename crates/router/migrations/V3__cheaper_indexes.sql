-- Fewer places to write to for a message that comes to wait.

-- A sender is told of what waits no more: what waits need not be in that order.
DROP INDEX message_statuses_by_sender;
CREATE INDEX message_statuses_by_sender ON message_statuses (sender_id, updated_at, message_id) WHERE state <> 1;

-- What has waited too long is looked for among what waits.
DROP INDEX messages_by_timestamp;
