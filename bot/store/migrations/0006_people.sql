-- What is remembered of people and servers apart from money, and what is to go.
CREATE TABLE people (
    member BIGINT NOT NULL PRIMARY KEY,
    told_at BIGINT,                      -- where picture and prompt go: told, or about to be
    silent_at BIGINT,                    -- wants no pings
    erased_at BIGINT                     -- asked to be forgotten: what was asked for until then goes as soon as it can
);
CREATE INDEX people_erased ON people (erased_at) WHERE erased_at IS NOT NULL;

CREATE TABLE guilds (                    -- servers that the bot was ever a member of
    guild BIGINT NOT NULL PRIMARY KEY,
    left_at BIGINT
);
INSERT INTO guilds (guild) SELECT DISTINCT guild FROM cards WHERE guild IS NOT NULL AND bot_reaches_at IS NOT NULL;

CREATE TABLE litter (                    -- messages of ours that are to be deleted; nothing else is known of them
    message BIGINT NOT NULL PRIMARY KEY,
    channel BIGINT NOT NULL
);

ALTER TABLE cards ADD COLUMN ping_message BIGINT;     -- the short reply that told its member
CREATE INDEX jobs_with_words ON jobs (day) WHERE prompt <> '';
CREATE INDEX members_of_person ON members (member);
CREATE INDEX ledger_of_acts ON ledger (actor, id) WHERE kind IN ('grant', 'reset', 'allowance', 'pause', 'block');
