-- SQLite gives the room of deleted rows to new ones by itself.

-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
