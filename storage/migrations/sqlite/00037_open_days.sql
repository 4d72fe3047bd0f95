-- An Event that says it was on a day that is sealed already was told by a program whose clock stood still, as on a machine that slept: it
-- is of now.

-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER events_open BEFORE INSERT ON events
WHEN NEW.at < (SELECT (max(day) + 1) * 86400000000 FROM event_heads)
BEGIN
    INSERT INTO events (id, at, kind, user_id, session_id, client_id, detail, address, actor, browser, repeats, erased)
    VALUES (NEW.id, max(CAST(unixepoch('subsec') * 1000000 AS integer), (SELECT (max(day) + 1) * 86400000000 FROM event_heads)), NEW.kind,
        NEW.user_id, NEW.session_id, NEW.client_id, NEW.detail, NEW.address, NEW.actor, NEW.browser, NEW.repeats, NEW.erased);
    SELECT RAISE(IGNORE);
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER events_open;
