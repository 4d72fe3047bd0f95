-- Events are append-only. Once a first day is sealed the database itself refuses to change or to delete one, but for a count of what
-- happened again on a day that is not sealed yet, for the erasure of a person, and for what its kind is not kept for any longer.

-- +goose Up
ALTER TABLE events ADD COLUMN erased blob NOT NULL DEFAULT x'';

-- Secrets of this database that no root secret makes, each sealed under it.
CREATE TABLE installation_secrets (
    name   text NOT NULL PRIMARY KEY,
    sealed blob NOT NULL
);

-- The Events of one kind on one day (UTC), counted and hashed once the day is over.
CREATE TABLE event_days (
    day      integer NOT NULL,
    kind     text    NOT NULL,
    events   integer NOT NULL,
    digest   blob    NOT NULL,
    released blob NOT NULL DEFAULT x'',
    gone     boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (day, kind)
);

-- Each day's head is made of all its kinds and of the head of the day before.
CREATE TABLE event_heads (
    day  integer NOT NULL PRIMARY KEY,
    head blob    NOT NULL
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER events_stay BEFORE DELETE ON events
WHEN EXISTS (SELECT 1 FROM event_heads)
  AND NOT EXISTS (SELECT 1 FROM event_days d WHERE d.day = OLD.at / 86400000000 AND d.kind = OLD.kind AND length(d.released) > 0)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_stay_same BEFORE UPDATE ON events
WHEN EXISTS (SELECT 1 FROM event_heads) AND NOT (length(OLD.erased) = 0 AND (NEW.id, NEW.kind, NEW.client_id, NEW.actor) = (OLD.id, OLD.kind, OLD.client_id, OLD.actor) AND (
    (length(NEW.erased) > 0 AND (NEW.at, NEW.repeats, NEW.detail, NEW.address, NEW.browser) = (OLD.at, OLD.repeats, '', '', '')
        AND NEW.user_id IS NULL AND NEW.session_id IS NULL)
    OR (length(NEW.erased) = 0 AND NEW.user_id IS OLD.user_id AND NEW.session_id IS OLD.session_id
        AND NEW.detail = OLD.detail AND NEW.at >= OLD.at AND NEW.repeats > OLD.repeats
        AND NOT EXISTS (SELECT 1 FROM event_heads h WHERE h.day >= OLD.at / 86400000000))))
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER events_stay_same;
DROP TRIGGER events_stay;
DROP TABLE event_heads;
DROP TABLE event_days;
DROP TABLE installation_secrets;
ALTER TABLE events DROP COLUMN erased;
