-- What admins allow beside credits: where, with which words, and which models.

ALTER TABLE servers ADD COLUMN age_restricted_at BIGINT;  -- since when only age-restricted channels may be used
ALTER TABLE servers ADD COLUMN barred_words TEXT;         -- JSON: a list, as the admin wrote them
CREATE TABLE model_rules (           -- a role or a channel may use these models alone
    scope BIGINT NOT NULL,
    kind TEXT NOT NULL,              -- role, channel
    target BIGINT NOT NULL,
    models TEXT NOT NULL,            -- JSON: a list of ids in the catalog
    PRIMARY KEY (scope, kind, target)
);
