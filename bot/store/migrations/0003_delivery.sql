-- Where a video ended up, and what is known of the ways to its card.
ALTER TABLE cards ADD COLUMN removed_at BIGINT;       -- somebody deleted the card
ALTER TABLE cards ADD COLUMN pinged_at BIGINT;        -- the member was pinged, or was about to be
ALTER TABLE cards ADD COLUMN shown_channel BIGINT;    -- where the video stands, if not on the card
ALTER TABLE cards ADD COLUMN shown_message BIGINT;
ALTER TABLE jobs ADD COLUMN deleted_at BIGINT;        -- by its member: no longer listed, its words gone
