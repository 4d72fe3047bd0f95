-- What APIs must not believe any more (the feed of endings): written in the ending's own transaction, numbered after its
-- commit, kept for as long as an access token can live, twice.

-- +goose Up
CREATE TABLE marks (
    id       uuid NOT NULL PRIMARY KEY,
    position bigint,
    at       bigint NOT NULL,
    kind     text NOT NULL,
    subject  text NOT NULL,
    epoch    bigint NOT NULL,
    keep     text NOT NULL
);
CREATE UNIQUE INDEX marks_position ON marks (position) WHERE position IS NOT NULL;
CREATE INDEX marks_waiting ON marks (at) WHERE position IS NULL;
CREATE INDEX marks_at ON marks (at, position);
CREATE TABLE mark_log (
    name     text NOT NULL PRIMARY KEY,
    position bigint NOT NULL
);
INSERT INTO mark_log (name, position) VALUES ('endings', 0);

-- +goose Down
DROP TABLE mark_log;
DROP TABLE marks;
