-- On PostgreSQL alone, where several processes write.

CREATE TABLE writers (
    id BIGINT NOT NULL PRIMARY KEY,      -- drawn by a process when it starts
    batch BIGINT NOT NULL,               -- its last transaction that was kept
    at BIGINT NOT NULL
);
CREATE TABLE restored (                  -- what `PRAGMA user_version` is on SQLite
    id BIGINT NOT NULL PRIMARY KEY,      -- always 1
    mark BIGINT NOT NULL
);
