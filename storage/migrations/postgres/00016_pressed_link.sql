-- A link "It wasn't me" does once what it is for; for an hour after that its page can go on.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE mail_links ADD COLUMN pressed_at bigint;

-- +goose Down
ALTER TABLE mail_links DROP COLUMN pressed_at;
