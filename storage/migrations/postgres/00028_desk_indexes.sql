-- Operators find people by the beginning of an address, and registrations by their age.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS users_email_start;
CREATE INDEX CONCURRENTLY users_email_start ON users (email text_pattern_ops);
DROP INDEX CONCURRENTLY IF EXISTS clients_self_registered;
CREATE INDEX CONCURRENTLY clients_self_registered ON clients (created_at DESC, id DESC) WHERE self_registered;
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS clients_self_registered;
DROP INDEX IF EXISTS users_email_start;
