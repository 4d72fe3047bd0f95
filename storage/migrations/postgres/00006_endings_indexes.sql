-- What lives of a user and of a client, in the order in which endings go, past whatever was over before. A refresh writes
-- none of these columns.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS sessions_living_user;
CREATE INDEX CONCURRENTLY sessions_living_user ON sessions (user_id, id) WHERE ended_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS sessions_living_client;
CREATE INDEX CONCURRENTLY sessions_living_client ON sessions (client_id, id) WHERE ended_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS sessions_of_client;
DROP INDEX CONCURRENTLY IF EXISTS sign_ins_living_user;
CREATE INDEX CONCURRENTLY sign_ins_living_user ON sign_ins (user_id, id) WHERE ended_at IS NULL;
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS sign_ins_living_user;
CREATE INDEX IF NOT EXISTS sessions_of_client ON sessions (client_id, id);
DROP INDEX IF EXISTS sessions_living_client;
DROP INDEX IF EXISTS sessions_living_user;
