-- Requests for bonus credits from outside that were granted: the same key never grants twice.

CREATE TABLE credit_requests (
    key TEXT NOT NULL PRIMARY KEY,       -- SHA-256 of the key that was sent
    body TEXT NOT NULL,                  -- SHA-256 of what was asked for with it
    line BIGINT NOT NULL                 -- the ledger line of the grant
);
