-- A client may publish what it says of itself at its id. It is read again from time to time, and when it is long gone so is the
-- client. NULL of all other clients.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE clients ADD COLUMN document_read_at bigint;
ALTER TABLE clients ADD COLUMN document_fresh_until bigint;
ALTER TABLE clients ADD COLUMN document_gone_since bigint;
ALTER TABLE clients ADD COLUMN document_check_at bigint;

-- +goose Down
ALTER TABLE clients DROP COLUMN document_check_at;
ALTER TABLE clients DROP COLUMN document_gone_since;
ALTER TABLE clients DROP COLUMN document_fresh_until;
ALTER TABLE clients DROP COLUMN document_read_at;
