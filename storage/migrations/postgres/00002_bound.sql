-- A Session may be bound to its app's key (RFC 9449), and to the resource servers that were asked for (RFC 8707).

-- +goose Up
ALTER TABLE sessions
    ADD COLUMN key       bytea NOT NULL DEFAULT '',
    ADD COLUMN resources text  NOT NULL DEFAULT '';

-- Events go after a time, those of forks sooner: on bad networks one refresh in fifteen has one.
CREATE INDEX events_at ON events (at);
CREATE INDEX events_forks ON events (at) WHERE kind = 'session.forked';

-- +goose Down
DROP INDEX events_forks;
DROP INDEX events_at;
ALTER TABLE sessions
    DROP COLUMN resources,
    DROP COLUMN key;
