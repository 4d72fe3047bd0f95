-- Operators find people by the beginning of an address, and registrations by their age.

-- +goose Up
CREATE INDEX users_email_start ON users (email);
CREATE INDEX clients_self_registered ON clients (created_at DESC, id DESC) WHERE self_registered;

-- +goose Down
DROP INDEX clients_self_registered;
DROP INDEX users_email_start;
