-- Programs have roles too. Those that had a token could do everything.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE admin_tokens ADD COLUMN role text NOT NULL DEFAULT 'operator';

-- +goose Down
ALTER TABLE admin_tokens DROP COLUMN role;
