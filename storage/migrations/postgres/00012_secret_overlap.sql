-- A client's secret is rotated without an outage: the one before stays good until a time, in microseconds.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE clients ADD COLUMN former_secret_hash bytea NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN former_secret_until bigint;

-- +goose Down
ALTER TABLE clients DROP COLUMN former_secret_until;
ALTER TABLE clients DROP COLUMN former_secret_hash;
