-- What somebody does again and again is one Event with a count.

-- +goose Up
ALTER TABLE events ADD COLUMN repeats integer NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE events DROP COLUMN repeats;
