-- The schema of 0.1, as its nine migrations left it.

-- Runs on SQLite and PostgreSQL alike: BIGINT numbers, times in milliseconds, a nullable time for a yes or no,
-- ids made by us, a NOT NULL on every key.

CREATE TABLE schema_versions (version BIGINT NOT NULL PRIMARY KEY);

-- The rows that every change of money touches first, in this order: they are the lock.
CREATE TABLE budget (
    id BIGINT NOT NULL PRIMARY KEY,      -- always 1
    lines BIGINT NOT NULL                -- id of the newest ledger line
);
CREATE TABLE servers (
    scope BIGINT NOT NULL PRIMARY KEY,   -- guild id; 0 is direct messages and user-installs
    default_credits BIGINT,
    default_per TEXT,
    ceiling_credits BIGINT,
    ceiling_per TEXT,
    paused_at BIGINT,
    pause_reason TEXT
);
CREATE TABLE members (
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    epoch BIGINT NOT NULL,               -- raised by a reset: use of older epochs is forgotten
    credits BIGINT,                      -- an allowance of their own
    per TEXT,
    blocked_at BIGINT,
    block_reason TEXT,
    PRIMARY KEY (scope, member)
);
CREATE TABLE roles (
    scope BIGINT NOT NULL,
    role BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    per TEXT NOT NULL,
    PRIMARY KEY (scope, role)
);
CREATE TABLE pots (                      -- grants: spent after the allowance, without expiry
    id BIGINT NOT NULL PRIMARY KEY,      -- its ledger line
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    remaining BIGINT NOT NULL
);
CREATE INDEX pots_of_member ON pots (scope, member);

-- Use, by UTC day counted from 1970-01-01. A period is a sum of days.
CREATE TABLE budget_use (day BIGINT NOT NULL PRIMARY KEY, credits BIGINT NOT NULL);
CREATE TABLE server_use (
    scope BIGINT NOT NULL, day BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (scope, day)
);
CREATE TABLE member_use (
    scope BIGINT NOT NULL, member BIGINT NOT NULL, epoch BIGINT NOT NULL, day BIGINT NOT NULL,
    credits BIGINT NOT NULL,             -- from the allowance; what came from pots is not counted here
    PRIMARY KEY (scope, member, epoch, day)
);

CREATE TABLE ledger (                    -- append-only
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    job BIGINT,
    scope BIGINT NOT NULL,
    member BIGINT,
    role BIGINT,
    credits BIGINT NOT NULL,             -- change of what the member can spend; 0 for rules
    from_allowance BIGINT NOT NULL,      -- part of it booked on member_use (negative: taken)
    from_pots BIGINT NOT NULL,
    from_budget BIGINT NOT NULL,         -- booked on server_use and budget_use
    day BIGINT,
    epoch BIGINT,
    limit_credits BIGINT,                -- the allowance that admitted it, or that was set
    limit_per TEXT,
    limit_source TEXT,
    ceiling_credits BIGINT,
    ceiling_per TEXT,
    budget_credits BIGINT,
    budget_per TEXT,
    taken_at BIGINT,                     -- of a refund: the provider had taken the job
    actor BIGINT,
    reason TEXT,
    UNIQUE (job, kind)
);
CREATE INDEX ledger_of_member ON ledger (scope, member, id);
CREATE INDEX ledger_of_taken ON ledger (scope, member, day) WHERE taken_at IS NOT NULL;

CREATE TABLE jobs (
    id BIGINT NOT NULL PRIMARY KEY,      -- the interaction's id
    key TEXT NOT NULL UNIQUE,            -- ours, short, shown on the card
    state TEXT NOT NULL,
    state_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    day BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    size TEXT,
    credits BIGINT NOT NULL,
    from_allowance BIGINT NOT NULL,
    picture_url TEXT NOT NULL,
    picture_name TEXT NOT NULL,
    picture_bytes BIGINT NOT NULL,
    picture_type TEXT,
    picture_width BIGINT,
    picture_height BIGINT,
    endpoint TEXT NOT NULL,
    not_before BIGINT,
    tried_at BIGINT,                     -- first sent to the provider
    submitted_at BIGINT,                 -- last sent
    provider_id TEXT,
    result_url TEXT,
    result_expires_at BIGINT,
    failure TEXT
);
CREATE INDEX jobs_of_state ON jobs (state);
CREATE INDEX jobs_of_member ON jobs (member, state);

CREATE TABLE job_pots (                  -- what a job took from which grant
    job BIGINT NOT NULL, pot BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (job, pot)
);

CREATE TABLE cards (
    job BIGINT NOT NULL PRIMARY KEY,
    application BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    guild BIGINT,
    message BIGINT,
    token TEXT,                          -- a credential; NULL once dead or no longer needed
    token_ends_at BIGINT NOT NULL,
    upload_limit BIGINT NOT NULL,
    bot_reaches_at BIGINT,               -- NULL: the bot's own token cannot edit there
    ephemeral_at BIGINT,
    finished_at BIGINT                   -- its last edit is made, or can never be made
);
CREATE INDEX cards_unfinished ON cards (finished_at);

CREATE TABLE commands (                  -- what was last synced to which application at which API
    application BIGINT NOT NULL, api TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (application, api)
);
-- What admins set beside money.
ALTER TABLE servers ADD COLUMN log_channel BIGINT;
CREATE INDEX jobs_of_scope ON jobs (scope, day);
-- Where a video ended up, and what is known of the ways to its card.
ALTER TABLE cards ADD COLUMN removed_at BIGINT;       -- somebody deleted the card
ALTER TABLE cards ADD COLUMN pinged_at BIGINT;        -- the member was pinged, or was about to be
ALTER TABLE cards ADD COLUMN shown_channel BIGINT;    -- where the video stands, if not on the card
ALTER TABLE cards ADD COLUMN shown_message BIGINT;
ALTER TABLE jobs ADD COLUMN deleted_at BIGINT;        -- by its member: no longer listed, its words gone
-- In which language a card speaks, and its member reads: Discord's names for them, NULL for English.
ALTER TABLE cards ADD COLUMN locale TEXT;             -- the server's; outside of servers the member's
ALTER TABLE cards ADD COLUMN member_locale TEXT;
-- What renders took, so that the next ones can be foretold.
ALTER TABLE jobs ADD COLUMN took_ms BIGINT;           -- from sent to done; NULL where no poll saw when it was done
CREATE INDEX jobs_of_took ON jobs (id) WHERE took_ms IS NOT NULL;
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
-- Cards that are hidden, clips made again from a card, and other people's pictures.
ALTER TABLE cards ADD COLUMN hidden_at BIGINT;        -- by its member: the video waits in /videos
ALTER TABLE jobs ADD COLUMN again_of BIGINT;          -- the job whose card was pressed for this one
ALTER TABLE jobs ADD COLUMN picture_author BIGINT;    -- whose picture it is, where it is not the member's own
ALTER TABLE servers ADD COLUMN others_at BIGINT;      -- NULL: members animate their own pictures only
CREATE INDEX jobs_of_picture ON jobs (picture_author) WHERE picture_author IS NOT NULL;
CREATE INDEX jobs_of_card ON jobs (again_of) WHERE again_of IS NOT NULL;
-- Videos of spoiler pictures, videos that are sent as a message of their own, and those that came late.
ALTER TABLE jobs ADD COLUMN picture_spoiler_at BIGINT; -- the picture was marked as a spoiler, and its video is one
ALTER TABLE jobs ADD COLUMN fetched_at BIGINT;         -- the video was on our disk, before or while it was undelivered
ALTER TABLE cards ADD COLUMN posted_at BIGINT;         -- the video was sent beside its card, or was about to be
ALTER TABLE cards ADD COLUMN posted_channel BIGINT;    -- where it may be sent again under its nonce, for a while
-- Bonus credits that an admin took back: from which grant, by which ledger line.
CREATE TABLE revoked_pots (
    line BIGINT NOT NULL, pot BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (line, pot)
);
DROP INDEX ledger_of_acts;
CREATE INDEX ledger_of_acts ON ledger (actor, id)
    WHERE kind IN ('grant', 'revoke', 'reset', 'allowance', 'pause', 'block');

INSERT INTO schema_versions VALUES (1);
INSERT INTO schema_versions VALUES (2);
INSERT INTO schema_versions VALUES (3);
INSERT INTO schema_versions VALUES (4);
INSERT INTO schema_versions VALUES (5);
INSERT INTO schema_versions VALUES (6);
INSERT INTO schema_versions VALUES (7);
INSERT INTO schema_versions VALUES (8);
INSERT INTO schema_versions VALUES (9);
