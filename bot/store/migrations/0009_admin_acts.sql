-- What admins changed, with the value before and after: they can read it, and undo it for some minutes.

CREATE TABLE admin_acts (
    id BIGINT NOT NULL PRIMARY KEY,      -- drawn as the lines of the ledger are
    at BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    actor BIGINT,
    what TEXT NOT NULL,
    member BIGINT,                       -- whom it is about,
    target BIGINT,                       -- or which role or channel
    old_value TEXT,                      -- JSON
    new_value TEXT,
    line BIGINT,                         -- of the ledger, where credits were given or taken
    undone_at BIGINT,
    undoes BIGINT                        -- the act that this one undid
);
CREATE INDEX admin_acts_of_server ON admin_acts (scope, id);
CREATE INDEX admin_acts_of_actor ON admin_acts (actor);
