-- Accounts that nobody confirmed are found by their age.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS users_unconfirmed;
CREATE INDEX CONCURRENTLY users_unconfirmed ON users (created_at) WHERE confirm_first AND NOT email_verified;
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS users_unconfirmed;
