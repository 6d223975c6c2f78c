-- The processes that share the store and are there; a single process leaves this empty.

CREATE TABLE processes (
    id TEXT NOT NULL PRIMARY KEY,        -- drawn at its start
    seen_at BIGINT NOT NULL,
    servers BIGINT NOT NULL              -- that it is told of by Discord
);
