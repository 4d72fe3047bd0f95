-- A Session may be bound to its app's key (RFC 9449), and to the resource servers that were asked for (RFC 8707).

-- +goose Up
ALTER TABLE sessions
    ADD COLUMN key       bytea NOT NULL DEFAULT '',
    ADD COLUMN resources text  NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions
    DROP COLUMN resources,
    DROP COLUMN key;
