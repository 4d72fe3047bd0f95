-- What happened says in which browser, in a few words of ours.

-- +goose Up
ALTER TABLE events ADD COLUMN browser text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE events DROP COLUMN browser;
