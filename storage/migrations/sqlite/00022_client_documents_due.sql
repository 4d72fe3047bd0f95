-- The documents of clients that are to be read again, the longest due first. A refresh writes none of it.

-- +goose Up
CREATE INDEX clients_documents ON clients (document_check_at) WHERE document_check_at IS NOT NULL AND disabled_at IS NULL;

-- +goose Down
DROP INDEX clients_documents;
