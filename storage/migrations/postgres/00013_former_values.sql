-- What of an account was changed lately, as it was before: so that whoever says "It wasn't me" gets it back. A secret stays
-- sealed as it was.

-- +goose Up
CREATE TABLE former_values (
    id      uuid   NOT NULL PRIMARY KEY,
    user_id uuid   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    text   NOT NULL,
    value   text   NOT NULL,
    secret  bytea  NOT NULL,
    since   bigint,
    at      bigint NOT NULL
);
CREATE INDEX former_values_of_user ON former_values (user_id, kind, at);
CREATE INDEX former_values_at ON former_values (at);
CREATE INDEX former_values_email ON former_values (value, at) WHERE kind = 'email';

-- +goose Down
DROP TABLE former_values;
