-- What a client says of itself again and again is found by the client: no person is concerned.

-- +goose Up
CREATE INDEX events_of_client ON events (client_id, at) WHERE user_id IS NULL;

-- +goose Down
DROP INDEX events_of_client;
