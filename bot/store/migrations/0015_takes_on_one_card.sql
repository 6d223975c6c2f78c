-- The takes of one request share a card. `request` is the first take's job; NULL where a job has a card of its own.

ALTER TABLE cards ADD COLUMN request BIGINT;
ALTER TABLE cards ADD COLUMN apart_at BIGINT;  -- this take's video is shown in a message of its own
CREATE INDEX cards_of_request ON cards (request) WHERE request IS NOT NULL;
