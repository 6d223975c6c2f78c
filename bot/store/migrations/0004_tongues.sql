-- In which language a card speaks, and its member reads: Discord's names for them, NULL for English.
ALTER TABLE cards ADD COLUMN locale TEXT;             -- the server's; outside of servers the member's
ALTER TABLE cards ADD COLUMN member_locale TEXT;
