-- Programs of the operator's that are told what happens.

-- +goose Up
CREATE TABLE webhooks (
    name         text NOT NULL PRIMARY KEY,
    url          text NOT NULL,
    kinds        text NOT NULL,
    secret       bytea NOT NULL,
    created_at   bigint NOT NULL,
    missed_since bigint
);

-- +goose Down
DROP TABLE webhooks;
