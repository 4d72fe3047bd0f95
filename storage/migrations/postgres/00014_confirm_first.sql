-- Whoever makes an account where mail can be sent confirms the address before the first sign-in. Accounts that are there already
-- need not: their owners may have signed in before.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE users ADD COLUMN confirm_first boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE users DROP COLUMN confirm_first;
