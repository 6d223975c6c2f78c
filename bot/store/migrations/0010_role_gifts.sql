-- What an admin gave to all with a role: each of them gets it when they next use the bot, once.

CREATE TABLE role_gifts (
    id BIGINT NOT NULL PRIMARY KEY,      -- drawn as the lines of the ledger are
    at BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    role BIGINT NOT NULL,
    credits BIGINT,                      -- bonus credits; NULL: their usage is reset
    actor BIGINT,
    reason TEXT,
    ended_at BIGINT                      -- undone
);
CREATE INDEX role_gifts_of_server ON role_gifts (scope, at);
CREATE TABLE role_gifts_given (
    gift BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    line BIGINT NOT NULL,                -- of the ledger
    PRIMARY KEY (gift, member)
);
CREATE INDEX role_gifts_given_of_member ON role_gifts_given (scope, member);
