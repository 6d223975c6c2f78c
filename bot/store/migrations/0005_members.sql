-- What members choose beside a video's own options.

ALTER TABLE jobs ADD COLUMN continues BIGINT;         -- the job whose last frame is this one's picture
ALTER TABLE users ADD COLUMN choices TEXT;            -- JSON: what they last chose, offered as their defaults
ALTER TABLE users ADD COLUMN choices_off_at BIGINT;   -- they do not want that
CREATE TABLE prompt_help (                            -- how often a member had a prompt reworded, on which UTC day
    member BIGINT NOT NULL PRIMARY KEY,
    day BIGINT NOT NULL,
    asked BIGINT NOT NULL
);
