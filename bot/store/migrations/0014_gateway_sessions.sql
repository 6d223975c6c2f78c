-- Sessions at Discord's gateway that a process which stopped has left to the next one; Discord keeps them for minutes.

CREATE TABLE gateway_sessions (
    shard BIGINT NOT NULL PRIMARY KEY,
    shards BIGINT NOT NULL,              -- SHARD_COUNT of that process
    session TEXT NOT NULL,
    sequence BIGINT NOT NULL,            -- of the last event that it has heard
    gateway TEXT NOT NULL,               -- where it is resumed
    servers TEXT NOT NULL,               -- their ids, with spaces between
    left_at BIGINT NOT NULL
);
