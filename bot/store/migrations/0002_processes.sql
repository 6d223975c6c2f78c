-- What several processes of one bot share. A single process leaves these tables empty.

CREATE TABLE identifies (                -- when a shard of each bucket last had its turn to identify at the gateway
    bucket BIGINT NOT NULL PRIMARY KEY,  -- shard id modulo Discord's max_concurrency
    at BIGINT NOT NULL
);
CREATE TABLE provider_pauses (           -- a provider asked for a pause
    provider TEXT NOT NULL PRIMARY KEY,
    ends_at BIGINT NOT NULL
);
CREATE TABLE circuits (                  -- circuits that are not closed
    provider TEXT NOT NULL,
    model TEXT NOT NULL,                 -- '' for all of its models
    kind TEXT NOT NULL,
    ends_at BIGINT NOT NULL,             -- of the pause; then one job tries again
    pause_ms BIGINT NOT NULL,
    PRIMARY KEY (provider, model, kind)
);
CREATE TABLE shared_folders (            -- the mark in the DATA_DIR that all processes share
    id BIGINT NOT NULL PRIMARY KEY,      -- always 1
    mark TEXT NOT NULL
);
CREATE INDEX jobs_at_provider ON jobs (provider) WHERE state IN ('submitting', 'rendering');
