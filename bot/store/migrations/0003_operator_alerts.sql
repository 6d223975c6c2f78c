-- What the operator was told and is still so; a line goes when it is well again, and may then be told once more.

CREATE TABLE operator_alerts (
    name TEXT NOT NULL PRIMARY KEY,      -- what it is about: 'disk', 'key:PROVIDER', 'unknown:JOB' …
    job BIGINT,                          -- where it is about one
    told_at BIGINT NOT NULL
);
