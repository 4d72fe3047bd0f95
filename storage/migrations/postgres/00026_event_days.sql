-- Events are append-only. Once a first day is sealed the database itself refuses to change or to delete one, but for a count of what
-- happened again on a day that is not sealed yet, for the erasure of a person, and for what its kind is not kept for any longer.

-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE events ADD COLUMN erased bytea NOT NULL DEFAULT '';

-- Secrets of this database that no root secret makes, each sealed under it.
CREATE TABLE installation_secrets (
    name   text  NOT NULL PRIMARY KEY,
    sealed bytea NOT NULL
);

-- The Events of one kind on one day (UTC), counted and hashed once the day is over.
CREATE TABLE event_days (
    day      bigint NOT NULL,
    kind     text   NOT NULL,
    events   bigint NOT NULL,
    digest   bytea  NOT NULL,
    released bytea NOT NULL DEFAULT '',
    gone     boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (day, kind)
);

-- Each day's head is made of all its kinds and of the head of the day before.
CREATE TABLE event_heads (
    day  bigint NOT NULL PRIMARY KEY,
    head bytea  NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM event_heads) AND TG_OP <> 'TRUNCATE' THEN
        RETURN COALESCE(NEW, OLD); -- no program that seals has run yet
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM event_days d WHERE d.day = OLD.at / 86400000000 AND d.kind = OLD.kind AND length(d.released) > 0) THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF length(OLD.erased) = 0 AND (NEW.id, NEW.kind, NEW.client_id, NEW.actor) = (OLD.id, OLD.kind, OLD.client_id, OLD.actor) THEN
            IF length(NEW.erased) > 0 AND (NEW.at, NEW.repeats, NEW.detail, NEW.address, NEW.browser) = (OLD.at, OLD.repeats, '', '', '')
                AND NEW.user_id IS NULL AND NEW.session_id IS NULL THEN
                RETURN NEW;
            END IF;
            IF length(NEW.erased) = 0 AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id AND NEW.session_id IS NOT DISTINCT FROM OLD.session_id
                AND NEW.detail = OLD.detail AND NEW.at >= OLD.at AND NEW.repeats > OLD.repeats
                AND NOT EXISTS (SELECT 1 FROM event_heads h WHERE h.day >= OLD.at / 86400000000) THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_stay();
CREATE TRIGGER events_stay_all BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_stay();

-- +goose Down
DROP TRIGGER events_stay_all ON events;
DROP TRIGGER events_stay ON events;
DROP FUNCTION events_stay();
DROP TABLE event_heads;
DROP TABLE event_days;
DROP TABLE installation_secrets;
ALTER TABLE events DROP COLUMN erased;
