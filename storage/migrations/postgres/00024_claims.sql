-- A Session keeps the single claims that were asked for with it (OpenID Connect Core 1.0 §5.5). People have attributes and
-- groups, of which operators make claims.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE users ADD COLUMN described jsonb NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN claims text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions DROP COLUMN claims;
ALTER TABLE users DROP COLUMN described;
