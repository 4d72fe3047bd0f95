-- A client may publish what it says of itself at its id. It is read again from time to time, and when it is long gone so is the
-- client. NULL of all other clients.

-- +goose Up
ALTER TABLE clients ADD COLUMN document_read_at integer;
ALTER TABLE clients ADD COLUMN document_fresh_until integer;
ALTER TABLE clients ADD COLUMN document_gone_since integer;
ALTER TABLE clients ADD COLUMN document_check_at integer;

-- +goose Down
ALTER TABLE clients DROP COLUMN document_check_at;
ALTER TABLE clients DROP COLUMN document_gone_since;
ALTER TABLE clients DROP COLUMN document_fresh_until;
ALTER TABLE clients DROP COLUMN document_read_at;
