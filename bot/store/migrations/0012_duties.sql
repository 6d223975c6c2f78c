-- What one of several processes does at a time; a single process leaves this empty.

CREATE TABLE duties (
    name TEXT NOT NULL PRIMARY KEY,
    process TEXT NOT NULL,               -- drawn by it
    ends_at BIGINT NOT NULL              -- then another process may, whatever became of that one
);
