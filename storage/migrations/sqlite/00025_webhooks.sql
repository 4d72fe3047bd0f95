-- Programs of the operator's that are told what happens.

-- +goose Up
CREATE TABLE webhooks (
    name         text NOT NULL PRIMARY KEY,
    url          text NOT NULL,
    kinds        text NOT NULL,
    secret       blob NOT NULL,
    created_at   integer NOT NULL,
    missed_since integer
);

-- +goose Down
DROP TABLE webhooks;
