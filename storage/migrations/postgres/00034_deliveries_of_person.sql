-- Whom a delivery tells of: what waits or was given up goes with the account.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS about text NOT NULL DEFAULT '';
DROP INDEX CONCURRENTLY IF EXISTS deliveries_about;
CREATE INDEX CONCURRENTLY deliveries_about ON deliveries (about) WHERE about <> '';
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS deliveries_about;
ALTER TABLE deliveries DROP COLUMN about;
