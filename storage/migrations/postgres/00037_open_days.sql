-- An Event that says it was on a day that is sealed already was told by a program whose clock stood still, as on a machine that slept: it
-- is of now. Who writes of a day that is over, and who seals one, wait for each other.

-- +goose Up
SET LOCAL lock_timeout = '3s';
-- +goose StatementBegin
CREATE FUNCTION events_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    clock bigint := extract(epoch FROM clock_timestamp()) * 1000000;
    open  bigint;
BEGIN
    IF LEAST(NEW.at, OLD.at) < clock / 86400000000 * 86400000000 THEN
        PERFORM pg_advisory_xact_lock_shared(1936023916); -- what seals a day takes it alone
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT (max(day) + 1) * 86400000000 INTO open FROM event_heads;
        IF NEW.at < open THEN
            NEW.at := GREATEST(clock, open);
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_open BEFORE INSERT OR UPDATE OF repeats ON events FOR EACH ROW EXECUTE FUNCTION events_open();

-- +goose Down
DROP TRIGGER events_open ON events;
DROP FUNCTION events_open();
