-- Programs have roles too. Those that had a token could do everything.

-- +goose Up
ALTER TABLE admin_tokens ADD COLUMN role text NOT NULL DEFAULT 'operator';

-- +goose Down
ALTER TABLE admin_tokens DROP COLUMN role;
