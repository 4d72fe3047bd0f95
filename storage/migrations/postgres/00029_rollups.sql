-- What operators see of days (docs/analytics.md): numbers alone, of nobody in particular. What is counted as it happens, part
-- -1, is added to; the rest is what rows and Events say of a day or an hour, and is written whole. Days are those of the
-- operator's calendar, since 1970. An empty client, platform or version is all of them.

-- +goose Up
CREATE TABLE rollups (
    client_id   text     NOT NULL,
    platform    text     NOT NULL,
    app_version text     NOT NULL,
    day         integer  NOT NULL,
    measure     text     NOT NULL,
    label       text     NOT NULL,
    part        smallint NOT NULL,
    n           bigint   NOT NULL,
    PRIMARY KEY (client_id, platform, app_version, day, measure, label, part)
) WITH (fillfactor = 90);
CREATE INDEX rollups_day ON rollups (day, part, measure);

-- Which days and hours were rolled up, and which of them for good.
CREATE TABLE rolled_days (
    day       integer  NOT NULL,
    part      smallint NOT NULL,
    rolled_at bigint   NOT NULL,
    settled   boolean  NOT NULL,
    PRIMARY KEY (day, part)
);

-- How many times each process has added what it counted, so that nothing is added twice.
CREATE TABLE counters (
    process uuid   NOT NULL PRIMARY KEY,
    added   bigint NOT NULL,
    at      bigint NOT NULL
);
CREATE INDEX counters_at ON counters (at);

-- +goose Down
DROP TABLE counters;
DROP TABLE rolled_days;
DROP TABLE rollups;
