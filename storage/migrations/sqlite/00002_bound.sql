-- A Session may be bound to its app's key (RFC 9449), and to the resource servers that were asked for (RFC 8707).

-- +goose Up
ALTER TABLE sessions ADD COLUMN key blob NOT NULL DEFAULT x'';
ALTER TABLE sessions ADD COLUMN resources text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions DROP COLUMN resources;
ALTER TABLE sessions DROP COLUMN key;
