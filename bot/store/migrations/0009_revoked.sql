-- Bonus credits that an admin took back: from which grant, by which ledger line.
CREATE TABLE revoked_pots (
    line BIGINT NOT NULL, pot BIGINT NOT NULL, credits BIGINT NOT NULL, PRIMARY KEY (line, pot)
);
DROP INDEX ledger_of_acts;
CREATE INDEX ledger_of_acts ON ledger (actor, id)
    WHERE kind IN ('grant', 'revoke', 'reset', 'allowance', 'pause', 'block');
