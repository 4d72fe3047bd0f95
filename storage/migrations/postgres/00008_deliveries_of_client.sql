-- The earliest that is due of each client, without reading what others pile up.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS deliveries_of_client;
CREATE INDEX CONCURRENTLY deliveries_of_client ON deliveries (kind, client_id, next_try_at) WHERE dead_at IS NULL;
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS deliveries_of_client;
