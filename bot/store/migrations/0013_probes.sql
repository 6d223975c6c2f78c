-- Of all processes, one job tries a circuit again at a time: it holds the probe for as long as it is at the provider.

ALTER TABLE circuits ADD COLUMN probe BIGINT;      -- its id; 0 is the question about a key, which costs nothing
ALTER TABLE circuits ADD COLUMN probe_at BIGINT;
