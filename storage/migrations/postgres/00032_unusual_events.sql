-- What rules found unusual is listed at the desk, however much else happened.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS events_unusual;
CREATE INDEX CONCURRENTLY events_unusual ON events (at, id) WHERE kind = 'anomaly.found';
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS events_unusual;
