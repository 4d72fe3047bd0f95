-- What rules found unusual is listed at the desk, however much else happened.

-- +goose Up
CREATE INDEX events_unusual ON events (at, id) WHERE kind = 'anomaly.found';

-- +goose Down
DROP INDEX events_unusual;
