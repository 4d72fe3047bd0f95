-- The earliest that is due of each client, without reading what others pile up.

-- +goose Up
CREATE INDEX deliveries_of_client ON deliveries (kind, client_id, next_try_at) WHERE dead_at IS NULL;

-- +goose Down
DROP INDEX deliveries_of_client;
