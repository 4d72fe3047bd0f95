-- A client's secret is rotated without an outage: the one before stays good until a time, in microseconds.

-- +goose Up
ALTER TABLE clients ADD COLUMN former_secret_hash blob NOT NULL DEFAULT x'';
ALTER TABLE clients ADD COLUMN former_secret_until integer;

-- +goose Down
ALTER TABLE clients DROP COLUMN former_secret_until;
ALTER TABLE clients DROP COLUMN former_secret_hash;
