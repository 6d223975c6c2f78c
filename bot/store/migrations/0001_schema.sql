-- The schema. It runs on SQLite and PostgreSQL alike: BIGINT for every number, times in milliseconds since 1970-01-01
-- UTC, a nullable time in place of a yes or no (NULL is no), ids made by the bot, NOT NULL on every key.
-- A day is a UTC day counted from 1970-01-01. A scope is a server's id; 0 is direct messages and user installs.

CREATE TABLE schema_versions (version BIGINT NOT NULL PRIMARY KEY);

-- The three rows that every change of credits updates first, in this order: together they are the lock.

CREATE TABLE budget (
    id BIGINT NOT NULL PRIMARY KEY,      -- always 1
    lines BIGINT NOT NULL                -- id of the newest ledger line
);
CREATE TABLE servers (
    scope BIGINT NOT NULL PRIMARY KEY,
    default_credits BIGINT,              -- the quota of members who have none of their own
    default_per TEXT,
    server_limit_credits BIGINT,         -- what all members may spend together
    server_limit_per TEXT,
    paused_at BIGINT,
    pause_reason TEXT,
    log_channel BIGINT,                  -- where each video is listed
    others_at BIGINT                     -- since when members may animate pictures that other people posted
);
CREATE TABLE members (
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    reset_count BIGINT NOT NULL,         -- raised by each reset: usage under an older count is not counted any more
    credits BIGINT,                      -- their own quota
    per TEXT,
    blocked_at BIGINT,
    block_reason TEXT,
    PRIMARY KEY (scope, member)
);
CREATE INDEX members_of_user ON members (member);

CREATE TABLE roles (                     -- quotas of roles
    scope BIGINT NOT NULL,
    role BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    per TEXT NOT NULL,
    PRIMARY KEY (scope, role)
);

-- Usage by day: a period is a sum of days.

CREATE TABLE budget_usage (day BIGINT NOT NULL PRIMARY KEY, credits BIGINT NOT NULL);
CREATE TABLE server_usage (
    scope BIGINT NOT NULL, day BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (scope, day)
);
CREATE TABLE member_usage (
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    reset_count BIGINT NOT NULL,
    day BIGINT NOT NULL,
    credits BIGINT NOT NULL,             -- of the quota; bonus credits are not counted here
    PRIMARY KEY (scope, member, reset_count, day)
);

-- Bonus credits: spent after the quota, the oldest first; they do not expire.

CREATE TABLE bonus_credits (
    id BIGINT NOT NULL PRIMARY KEY,      -- the ledger line by which they were given
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    remaining BIGINT NOT NULL
);
CREATE INDEX bonus_credits_of_member ON bonus_credits (scope, member);
CREATE TABLE job_bonus_credits (         -- how many a job took of which
    job BIGINT NOT NULL, bonus_id BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (job, bonus_id)
);
CREATE TABLE revoked_bonus_credits (     -- how many an admin took back of which, by which ledger line
    line BIGINT NOT NULL, bonus_id BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (line, bonus_id)
);

-- Append-only: every change of credits and every rule that an admin set. A job has one line of each kind at most.

CREATE TABLE ledger (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    job BIGINT,
    scope BIGINT NOT NULL,
    member BIGINT,
    role BIGINT,
    credits BIGINT NOT NULL,             -- change of what the member can spend; 0 for rules
    from_quota BIGINT NOT NULL,          -- the part of it in member_usage (negative: taken)
    from_bonus BIGINT NOT NULL,          -- the part of it in bonus_credits
    from_budget BIGINT NOT NULL,         -- the change in server_usage and budget_usage
    day BIGINT,
    reset_count BIGINT,
    limit_credits BIGINT,                -- the quota that admitted it, or that was set
    limit_per TEXT,
    limit_source TEXT,
    server_limit_credits BIGINT,
    server_limit_per TEXT,
    budget_credits BIGINT,
    budget_per TEXT,
    taken_at BIGINT,                     -- of a refund: the provider had taken the job
    actor BIGINT,
    reason TEXT,
    UNIQUE (job, kind)
);
CREATE INDEX ledger_of_member ON ledger (scope, member, id);
CREATE INDEX ledger_of_taken ON ledger (scope, member, day) WHERE taken_at IS NOT NULL;
CREATE INDEX ledger_of_acts ON ledger (actor, id)
    WHERE kind IN ('grant', 'revoke', 'reset', 'quota', 'pause', 'block');

-- One row for each video that was asked for.

CREATE TABLE jobs (
    id BIGINT NOT NULL PRIMARY KEY,      -- the interaction's id
    key TEXT NOT NULL UNIQUE,            -- the bot's own, short; shown on the card
    state TEXT NOT NULL,
    state_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    member BIGINT NOT NULL,
    day BIGINT NOT NULL,
    reset_count BIGINT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    size TEXT,                           -- NULL until the picture has shown its orientation
    credits BIGINT NOT NULL,
    from_quota BIGINT NOT NULL,          -- the part of them that was not bonus credits
    options TEXT,                        -- JSON: what was asked for beside model, prompt, seconds and size
    picture_url TEXT NOT NULL,
    picture_filename TEXT NOT NULL,
    picture_size_bytes BIGINT,
    picture_content_type TEXT,
    picture_width BIGINT,
    picture_height BIGINT,
    picture_spoiler_at BIGINT,           -- it was marked as a spoiler, and its video is one
    picture_author BIGINT,               -- whose it is, where it is not the member's own
    again_of BIGINT,                     -- the job whose card was pressed for this one
    provider TEXT NOT NULL,              -- as the catalog calls it
    wire TEXT NOT NULL,                  -- the protocol that it speaks
    endpoint TEXT NOT NULL,              -- root of its API
    request_key TEXT,                    -- a UUID, stored before anything is sent
    fallback_from TEXT,                  -- the models that refused, where another one stands in for them
    not_before BIGINT,                   -- not to be sent before that
    first_sent_at BIGINT,                -- when it was sent to the provider, first and last
    last_sent_at BIGINT,
    ticket TEXT,                         -- the provider has the job: what is needed to follow it there; '' once erased
    result_url TEXT,
    result_expires_at BIGINT,
    render_ms BIGINT,                    -- from last sent to done; NULL where no poll saw when it was done
    cost_usd_micros BIGINT,              -- what the provider says it cost, in millionths of a US dollar
    failure TEXT,
    fetched_at BIGINT,                   -- the video was on our disk, before or while it was undelivered
    deleted_at BIGINT                    -- by its member: not listed any more, its texts erased
);
CREATE INDEX jobs_of_state ON jobs (state);
CREATE INDEX jobs_of_member ON jobs (member, state);
CREATE INDEX jobs_of_scope ON jobs (scope, day);
CREATE INDEX jobs_of_picture ON jobs (picture_author) WHERE picture_author IS NOT NULL;
CREATE INDEX jobs_of_card ON jobs (again_of) WHERE again_of IS NOT NULL;
CREATE INDEX jobs_of_render_ms ON jobs (id) WHERE render_ms IS NOT NULL;
CREATE INDEX jobs_with_prompt ON jobs (day) WHERE prompt <> '';

-- The bot's message about a job, how it can be reached, and where the video ended up.

CREATE TABLE cards (
    job BIGINT NOT NULL PRIMARY KEY,
    application BIGINT NOT NULL,
    channel BIGINT NOT NULL,             -- 0 once its place is erased
    guild BIGINT,
    message BIGINT,
    token TEXT,                          -- a credential; NULL once expired or no longer needed
    token_ends_at BIGINT NOT NULL,
    upload_limit_bytes BIGINT NOT NULL,
    bot_reaches_at BIGINT,               -- NULL: the bot's own token cannot edit there
    ephemeral_at BIGINT,
    locale TEXT,                         -- Discord's name of the card's language; NULL is English
    member_locale TEXT,                  -- and of the member's
    finished_at BIGINT,                  -- its last edit is made, or can never be made
    removed_at BIGINT,                   -- somebody deleted the card
    hidden_at BIGINT,                    -- by its member: the video stays in /videos
    shown_channel BIGINT,                -- where the video stands, if not on the card
    shown_message BIGINT,
    posted_at BIGINT,                    -- the video was sent beside its card, or was about to be
    posted_channel BIGINT,               -- where it may be sent again under its nonce, for a while
    mentioned_at BIGINT,                 -- the member was mentioned, or was about to be
    mention_message BIGINT               -- the short reply that did
);
CREATE INDEX cards_unfinished ON cards (finished_at);

-- Beside credits and jobs.

CREATE TABLE users (                     -- what holds for a person in all places
    member BIGINT NOT NULL PRIMARY KEY,
    privacy_note_at BIGINT,              -- the note on where picture and prompt go was sent, or was about to be
    mentions_muted_at BIGINT,
    erasure_requested_at BIGINT          -- what was asked for until then is erased as soon as it can be
);
CREATE INDEX users_to_erase ON users (erasure_requested_at) WHERE erasure_requested_at IS NOT NULL;
CREATE TABLE guilds (                    -- servers that the bot was ever a member of
    guild BIGINT NOT NULL PRIMARY KEY,
    left_at BIGINT
);
CREATE TABLE pending_deletions (         -- messages of the bot that are to be deleted; nothing else is known of them
    message BIGINT NOT NULL PRIMARY KEY,
    channel BIGINT NOT NULL
);
CREATE TABLE commands (                  -- what was last synced to which application, at which address of Discord's API
    application BIGINT NOT NULL, api TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (application, api)
);
