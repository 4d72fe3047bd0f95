-- Resource servers as operators describe them: APIs that access tokens can be for. A deleted one stays, so that nothing that was
-- granted for it comes back with it. Times are in microseconds.

-- +goose Up
CREATE TABLE resources (
    key        text NOT NULL PRIMARY KEY,
    uri        text NOT NULL,
    settings   text NOT NULL,
    created_at integer NOT NULL,
    deleted_at integer,
    epoch      integer NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE resources;
