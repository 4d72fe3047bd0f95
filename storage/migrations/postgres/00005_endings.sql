-- An ending is judged when read: a Session is over when its epoch is not its user's or its client's any more. Rows, Events and
-- notices of an ending that is too large for one transaction wait in endings. Nothing is released yet, so that each Session
-- may be given its epoch here, in one statement.

-- +goose Up
SET LOCAL lock_timeout = '5s';
ALTER TABLE users ADD COLUMN ended_at bigint;
ALTER TABLE users ADD COLUMN end_cause text NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN epoch integer NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN client_epoch bigint NOT NULL DEFAULT 0;
UPDATE sessions SET epoch = users.epoch FROM users WHERE users.id = sessions.user_id AND users.epoch > 0;

CREATE TABLE endings (
    id         uuid   PRIMARY KEY,
    body       text   NOT NULL,
    client_id  text   NOT NULL,
    sign_in    uuid   NOT NULL,
    session    uuid   NOT NULL,
    created_at bigint NOT NULL
);

-- +goose Down
DROP TABLE endings;
ALTER TABLE sessions DROP COLUMN client_epoch;
ALTER TABLE sessions DROP COLUMN epoch;
ALTER TABLE clients DROP COLUMN epoch;
ALTER TABLE users DROP COLUMN end_cause;
ALTER TABLE users DROP COLUMN ended_at;
