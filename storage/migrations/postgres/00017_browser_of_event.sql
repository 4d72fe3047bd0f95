-- What happened says in which browser, in a few words of ours.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE events ADD COLUMN browser text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE events DROP COLUMN browser;
