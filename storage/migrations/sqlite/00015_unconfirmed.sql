-- Accounts that nobody confirmed are found by their age.

-- +goose Up
CREATE INDEX users_unconfirmed ON users (created_at) WHERE confirm_first AND NOT email_verified;

-- +goose Down
DROP INDEX users_unconfirmed;
