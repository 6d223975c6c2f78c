-- A message that the bot's own token does not reach is deleted by the token of a press on it, which lives 15 minutes.

ALTER TABLE pending_deletions ADD COLUMN token TEXT;             -- NULL where the bot's own reaches the message
ALTER TABLE pending_deletions ADD COLUMN token_ends_at BIGINT;   -- NULL likewise
CREATE INDEX cards_with_token ON cards (token_ends_at) WHERE token IS NOT NULL AND finished_at IS NOT NULL;
