-- What all servers of one database must have in common: one row, the issuer.

-- +goose Up
CREATE TABLE installation (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

-- +goose Down
DROP TABLE installation;
