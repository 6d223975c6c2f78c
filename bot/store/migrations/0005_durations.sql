-- What renders took, so that the next ones can be foretold.
ALTER TABLE jobs ADD COLUMN took_ms BIGINT;           -- from sent to done; NULL where no poll saw when it was done
CREATE INDEX jobs_of_took ON jobs (id) WHERE took_ms IS NOT NULL;
