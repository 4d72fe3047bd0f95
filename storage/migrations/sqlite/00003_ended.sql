-- What ends a session, and who is told: devices as apps describe them, mail and logout notices that wait for delivery,
-- links that were mailed, documents that follow a person across devices, and who of the operators did what.

-- +goose Up
ALTER TABLE users ADD COLUMN codes_from integer NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN password_set_at integer;
ALTER TABLE clients ADD COLUMN disabled_at integer;
ALTER TABLE sessions ADD COLUMN device_name text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN device_model text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN app_version text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN install_id text NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN actor text NOT NULL DEFAULT '';

-- Deliveries wait for other people's servers. Delivered ones are deleted; dead ones stay for the operator to see.
CREATE TABLE deliveries (
    id          text   NOT NULL PRIMARY KEY,
    kind        text   NOT NULL,
    host        text   NOT NULL,
    body        blob  NOT NULL,
    tries       integer NOT NULL,
    created_at  integer NOT NULL,
    next_try_at integer NOT NULL,
    dead_at     integer,
    last_error  text   NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (kind, next_try_at) WHERE dead_at IS NULL;

-- One link of a kind is alive for a person at a time.
CREATE TABLE mail_links (
    user_id     text  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind        text   NOT NULL,
    secret_hash blob  NOT NULL,
    detail      text   NOT NULL,
    created_at  integer NOT NULL,
    expires_at  integer NOT NULL,
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX mail_links_expires ON mail_links (expires_at);

-- Documents of one app that follow a person across devices. A deleted one stays for a while, so that all devices hear of it.
CREATE TABLE states (
    user_id    text    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  text    NOT NULL,
    key        text    NOT NULL,
    value      text    NOT NULL,
    version    integer  NOT NULL,
    updated_at integer  NOT NULL,
    deleted    boolean NOT NULL,
    PRIMARY KEY (user_id, client_id, key)
);
CREATE INDEX states_updated ON states (updated_at);

CREATE TABLE admin_tokens (
    name         text   NOT NULL PRIMARY KEY,
    hash         blob  NOT NULL UNIQUE,
    created_at   integer NOT NULL,
    last_used_at integer
);

-- +goose Down
DROP TABLE admin_tokens;
DROP TABLE states;
DROP TABLE mail_links;
DROP TABLE deliveries;
ALTER TABLE events DROP COLUMN actor;
ALTER TABLE sessions DROP COLUMN install_id;
ALTER TABLE sessions DROP COLUMN app_version;
ALTER TABLE sessions DROP COLUMN device_model;
ALTER TABLE sessions DROP COLUMN device_name;
ALTER TABLE clients DROP COLUMN disabled_at;
ALTER TABLE users DROP COLUMN password_set_at;
ALTER TABLE users DROP COLUMN codes_from;
