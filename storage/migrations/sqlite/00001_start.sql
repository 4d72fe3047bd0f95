-- Times are microseconds since 1970 in UTC, so that both databases compare them alike. A zero time is NULL.

-- +goose Up
CREATE TABLE users (
    id             text    NOT NULL PRIMARY KEY,
    sub            text    NOT NULL UNIQUE,
    email          text    NOT NULL UNIQUE,
    email_verified boolean NOT NULL,
    name           text    NOT NULL,
    password_hash  text    NOT NULL,
    epoch          integer NOT NULL,
    disabled_at    integer,
    created_at     integer  NOT NULL,
    updated_at     integer  NOT NULL
);

CREATE TABLE sign_ins (
    id               text    NOT NULL PRIMARY KEY,
    user_id          text    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash      blob    NOT NULL,
    code_secret_hash blob    NOT NULL,
    epoch            integer NOT NULL,
    amr              integer NOT NULL,
    proved_at        integer  NOT NULL,
    created_at       integer  NOT NULL,
    last_used_at     integer  NOT NULL,
    idle_ends_at     integer  NOT NULL,
    ends_at          integer  NOT NULL,
    ended_at         integer,
    end_cause        text    NOT NULL,
    address          text    NOT NULL,
    user_agent       text    NOT NULL
);
CREATE INDEX sign_ins_user ON sign_ins (user_id);
CREATE INDEX sign_ins_ends ON sign_ins (ends_at);

CREATE TABLE clients (
    id                 text    NOT NULL PRIMARY KEY,
    secret_hash        blob    NOT NULL,
    trusted            boolean NOT NULL,
    self_registered    boolean NOT NULL,
    metadata           text    NOT NULL,
    idle_seconds       integer  NOT NULL,
    absolute_seconds   integer  NOT NULL,
    registration_hash  blob    NOT NULL,
    previous_hash      blob    NOT NULL,
    created_at         integer  NOT NULL,
    first_used_at      integer
);

-- One row is one Session and the whole family of its refresh tokens. No column that a refresh writes can grow.
CREATE TABLE sessions (
    id           text     NOT NULL PRIMARY KEY,
    client_id    text     NOT NULL,
    user_id      text     NOT NULL,
    sub          text     NOT NULL,
    sign_in_id   text     NOT NULL,
    secret_hash  blob     NOT NULL,
    generation   integer   NOT NULL,
    branch       integer  NOT NULL,
    previous     integer  NOT NULL,
    amr          integer  NOT NULL,
    scope        text     NOT NULL,
    offline      boolean  NOT NULL,
    auth_time    integer   NOT NULL,
    created_at   integer   NOT NULL,
    last_used_at integer   NOT NULL,
    idle_ends_at integer   NOT NULL,
    ends_at      integer   NOT NULL,
    ended_at     integer,
    end_cause    text     NOT NULL,
    address      text     NOT NULL,
    user_agent   text     NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_client ON sessions (client_id);
CREATE INDEX sessions_sign_in ON sessions (sign_in_id);
CREATE INDEX sessions_ends ON sessions (ends_at);

CREATE TABLE grants (
    user_id    text   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  text   NOT NULL,
    scope      text   NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE totp_factors (
    user_id      text   NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret       blob   NOT NULL,
    last_step    integer NOT NULL,
    confirmed_at integer NOT NULL
);

CREATE TABLE recovery_codes (
    user_id text  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    blob  NOT NULL,
    used_at integer,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE throttles (
    key           text    NOT NULL PRIMARY KEY,
    misses        integer NOT NULL,
    blocked_until integer  NOT NULL,
    last_try_at   integer  NOT NULL
);

CREATE TABLE signing_keys (
    id           text   NOT NULL PRIMARY KEY,
    alg          text   NOT NULL,
    state        text   NOT NULL,
    private      blob   NOT NULL,
    public       blob   NOT NULL,
    created_at   integer NOT NULL,
    activated_at integer,
    retired_at   integer
);
-- One key of each algorithm signs at a time; one waits.
CREATE UNIQUE INDEX signing_keys_one ON signing_keys (alg, state) WHERE state <> 'retired';

CREATE TABLE registration_tokens (
    hash       blob    NOT NULL PRIMARY KEY,
    uses_left  integer NOT NULL,
    expires_at integer  NOT NULL,
    created_at integer  NOT NULL
);

-- Access tokens that were revoked before they expired (RFC 7009), until they expire.
CREATE TABLE denied_tokens (
    jti        text   NOT NULL PRIMARY KEY,
    expires_at integer NOT NULL
);
CREATE INDEX denied_tokens_expires ON denied_tokens (expires_at);

-- Client assertions that were used (RFC 7523 §3), until they expire. A jti is the client's own namespace.
CREATE TABLE spent_assertions (
    client_id  text   NOT NULL,
    jti_hash   blob   NOT NULL,
    expires_at integer NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX spent_assertions_expires ON spent_assertions (expires_at);

CREATE TABLE events (
    id         text   NOT NULL PRIMARY KEY,
    at         integer NOT NULL,
    kind       text   NOT NULL,
    user_id    text,
    session_id text,
    client_id  text   NOT NULL,
    detail     text   NOT NULL,
    address    text   NOT NULL
);
CREATE INDEX events_user ON events (user_id, at);

-- +goose Down
DROP TABLE events;
DROP TABLE spent_assertions;
DROP TABLE denied_tokens;
DROP TABLE registration_tokens;
DROP TABLE signing_keys;
DROP TABLE throttles;
DROP TABLE recovery_codes;
DROP TABLE totp_factors;
DROP TABLE grants;
DROP TABLE sessions;
DROP TABLE clients;
DROP TABLE sign_ins;
DROP TABLE users;
