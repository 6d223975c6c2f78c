-- Videos of spoiler pictures, and videos that are sent as a message of their own.
ALTER TABLE jobs ADD COLUMN picture_spoiler_at BIGINT; -- the picture was marked as a spoiler, and its video is one
ALTER TABLE cards ADD COLUMN posted_at BIGINT;         -- the video was sent beside its card, or was about to be
