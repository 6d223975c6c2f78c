-- What admins set beside money.
ALTER TABLE servers ADD COLUMN log_channel BIGINT;
CREATE INDEX jobs_of_scope ON jobs (scope, day);
