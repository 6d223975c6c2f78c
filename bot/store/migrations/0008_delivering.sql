-- Videos of spoiler pictures, videos that are sent as a message of their own, and those that came late.
ALTER TABLE jobs ADD COLUMN picture_spoiler_at BIGINT; -- the picture was marked as a spoiler, and its video is one
ALTER TABLE jobs ADD COLUMN fetched_at BIGINT;         -- the video was on our disk, before or while it was undelivered
ALTER TABLE cards ADD COLUMN posted_at BIGINT;         -- the video was sent beside its card, or was about to be
ALTER TABLE cards ADD COLUMN posted_channel BIGINT;    -- where it may be sent again under its nonce, for a while
