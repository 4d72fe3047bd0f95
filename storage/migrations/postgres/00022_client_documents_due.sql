-- The documents of clients that are to be read again, the longest due first. A refresh writes none of it.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS clients_documents;
CREATE INDEX CONCURRENTLY clients_documents ON clients (document_check_at) WHERE document_check_at IS NOT NULL AND disabled_at IS NULL;
RESET lock_timeout;

-- +goose Down
DROP INDEX IF EXISTS clients_documents;
