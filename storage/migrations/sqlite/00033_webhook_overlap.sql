-- A webhook's secret before signs beside the newest one for a while.

-- +goose Up
ALTER TABLE webhooks ADD COLUMN former_secret blob NOT NULL DEFAULT x'';
ALTER TABLE webhooks ADD COLUMN former_until integer NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE webhooks DROP COLUMN former_until;
ALTER TABLE webhooks DROP COLUMN former_secret;
