-- Whom a delivery tells of: what waits or was given up goes with the account.

-- +goose Up
ALTER TABLE deliveries ADD COLUMN about text NOT NULL DEFAULT '';
CREATE INDEX deliveries_about ON deliveries (about) WHERE about <> '';

-- +goose Down
DROP INDEX deliveries_about;
ALTER TABLE deliveries DROP COLUMN about;
