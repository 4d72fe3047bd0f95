-- Times are microseconds since 1970 in UTC, so that both databases compare them alike. A zero time is NULL.

-- +goose Up
CREATE TABLE users (
    id             uuid    PRIMARY KEY,
    sub            text    NOT NULL UNIQUE,
    email          text    NOT NULL UNIQUE,
    email_verified boolean NOT NULL,
    name           text    NOT NULL,
    password_hash  text    NOT NULL,
    epoch          integer NOT NULL,
    disabled_at    bigint,
    created_at     bigint  NOT NULL,
    updated_at     bigint  NOT NULL
);

CREATE TABLE sign_ins (
    id               uuid    PRIMARY KEY,
    user_id          uuid    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash      bytea   NOT NULL,
    code_secret_hash bytea   NOT NULL,
    epoch            integer NOT NULL,
    amr              integer NOT NULL,
    proved_at        bigint  NOT NULL,
    created_at       bigint  NOT NULL,
    last_used_at     bigint  NOT NULL,
    idle_ends_at     bigint  NOT NULL,
    ends_at          bigint  NOT NULL,
    ended_at         bigint,
    end_cause        text    NOT NULL,
    address          text    NOT NULL,
    user_agent       text    NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX sign_ins_user ON sign_ins (user_id);
CREATE INDEX sign_ins_ends ON sign_ins (ends_at);

CREATE TABLE clients (
    id                 text    PRIMARY KEY,
    secret_hash        bytea   NOT NULL,
    trusted            boolean NOT NULL,
    self_registered    boolean NOT NULL,
    metadata           jsonb   NOT NULL,
    idle_seconds       bigint  NOT NULL,
    absolute_seconds   bigint  NOT NULL,
    registration_hash  bytea   NOT NULL,
    previous_hash      bytea   NOT NULL,
    created_at         bigint  NOT NULL,
    first_used_at      bigint
);

-- One row is one Session and the whole family of its refresh tokens. What a refresh writes (line, use, idle end) is in
-- no index and the pages keep room, so that each refresh is a HOT update. No column that a refresh writes can grow.
CREATE TABLE sessions (
    id           uuid     PRIMARY KEY,
    client_id    text     NOT NULL,
    user_id      uuid     NOT NULL,
    sub          text     NOT NULL,
    sign_in_id   uuid     NOT NULL,
    secret_hash  bytea    NOT NULL,
    generation   bigint   NOT NULL,
    branch       integer  NOT NULL,
    previous     integer  NOT NULL,
    amr          integer  NOT NULL,
    scope        text     NOT NULL,
    offline      boolean  NOT NULL,
    auth_time    bigint   NOT NULL,
    created_at   bigint   NOT NULL,
    last_used_at bigint   NOT NULL,
    idle_ends_at bigint   NOT NULL,
    ends_at      bigint   NOT NULL,
    ended_at     bigint,
    end_cause    text     NOT NULL,
    address      text     NOT NULL,
    user_agent   text     NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_client ON sessions (client_id);
CREATE INDEX sessions_sign_in ON sessions (sign_in_id);
CREATE INDEX sessions_ends ON sessions (ends_at);

CREATE TABLE grants (
    user_id    uuid   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  text   NOT NULL,
    scope      text   NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE totp_factors (
    user_id      uuid   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret       bytea  NOT NULL,
    last_step    bigint NOT NULL,
    confirmed_at bigint NOT NULL
);

CREATE TABLE recovery_codes (
    user_id uuid  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    bytea NOT NULL,
    used_at bigint,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE throttles (
    key           text    PRIMARY KEY,
    misses        integer NOT NULL,
    blocked_until bigint  NOT NULL,
    last_try_at   bigint  NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE signing_keys (
    id           text   PRIMARY KEY,
    alg          text   NOT NULL,
    state        text   NOT NULL,
    private      bytea  NOT NULL,
    public       bytea  NOT NULL,
    created_at   bigint NOT NULL,
    activated_at bigint,
    retired_at   bigint
);
-- One key of each algorithm signs at a time; one waits.
CREATE UNIQUE INDEX signing_keys_one ON signing_keys (alg, state) WHERE state <> 'retired';

CREATE TABLE registration_tokens (
    hash       bytea   PRIMARY KEY,
    uses_left  integer NOT NULL,
    expires_at bigint  NOT NULL,
    created_at bigint  NOT NULL
);

-- Access tokens that were revoked before they expired (RFC 7009), until they expire.
CREATE TABLE denied_tokens (
    jti        text   PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX denied_tokens_expires ON denied_tokens (expires_at);

-- Client assertions that were used (RFC 7523 §3), until they expire. A jti is the client's own namespace.
CREATE TABLE spent_assertions (
    client_id  text   NOT NULL,
    jti_hash   bytea  NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX spent_assertions_expires ON spent_assertions (expires_at);

CREATE TABLE events (
    id         uuid   PRIMARY KEY,
    at         bigint NOT NULL,
    kind       text   NOT NULL,
    user_id    uuid,
    session_id uuid,
    client_id  text   NOT NULL,
    detail     text   NOT NULL,
    address    text   NOT NULL
);
CREATE INDEX events_user ON events (user_id, at);

-- +goose Down
DROP TABLE events, spent_assertions, denied_tokens, registration_tokens, signing_keys, throttles, recovery_codes,
    totp_factors, grants, sessions, clients, sign_ins, users;
