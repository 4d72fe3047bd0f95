-- What a client says of itself again and again is found by the client: no person is concerned.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS events_of_client;
CREATE INDEX CONCURRENTLY events_of_client ON events (client_id, at) WHERE user_id IS NULL;
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS events_of_client;
