-- A webhook's secret before signs beside the newest one for a while.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE webhooks ADD COLUMN former_secret bytea NOT NULL DEFAULT '';
ALTER TABLE webhooks ADD COLUMN former_until bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE webhooks DROP COLUMN former_until;
ALTER TABLE webhooks DROP COLUMN former_secret;
