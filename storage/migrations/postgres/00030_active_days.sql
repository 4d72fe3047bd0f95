-- A Session's row says on which of the last 63 days its app was used, on which platform it runs, how long it rested before it
-- was used last, and when its app was told that it is over. A refresh writes the days along with the rest: they are in no index
-- and do not grow.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE sessions ADD COLUMN platform text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN active_day integer NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN active_days bigint NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_before_at bigint NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN told_at bigint;
ALTER TABLE sessions ADD COLUMN told_why text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN refused_at bigint;

-- +goose Down
ALTER TABLE sessions DROP COLUMN refused_at;
ALTER TABLE sessions DROP COLUMN told_why;
ALTER TABLE sessions DROP COLUMN told_at;
ALTER TABLE sessions DROP COLUMN used_before_at;
ALTER TABLE sessions DROP COLUMN active_days;
ALTER TABLE sessions DROP COLUMN active_day;
ALTER TABLE sessions DROP COLUMN platform;
