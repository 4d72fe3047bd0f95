-- A link "It wasn't me" does once what it is for; for an hour after that its page can go on.

-- +goose Up
ALTER TABLE mail_links ADD COLUMN pressed_at integer;

-- +goose Down
ALTER TABLE mail_links DROP COLUMN pressed_at;
