-- Cards that are hidden, clips made again from a card, and other people's pictures.
ALTER TABLE cards ADD COLUMN hidden_at BIGINT;        -- by its member: the video waits in /videos
ALTER TABLE jobs ADD COLUMN again_of BIGINT;          -- the job whose card was pressed for this one
ALTER TABLE jobs ADD COLUMN picture_author BIGINT;    -- whose picture it is, where it is not the member's own
ALTER TABLE servers ADD COLUMN others_at BIGINT;      -- NULL: members animate their own pictures only
CREATE INDEX jobs_of_picture ON jobs (picture_author) WHERE picture_author IS NOT NULL;
CREATE INDEX jobs_of_card ON jobs (again_of) WHERE again_of IS NOT NULL;
