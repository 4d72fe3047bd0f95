-- Deliveries are fair between clients: each is found by whose it is.

-- +goose Up
ALTER TABLE deliveries ADD COLUMN client_id text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE deliveries DROP COLUMN client_id;
