-- What rules found and did something about waits for somebody to look at it. What it was, and who closed it why, say Events.

-- +goose Up
CREATE TABLE cases (
    event_id   text    NOT NULL PRIMARY KEY,
    at         integer NOT NULL,
    closing_id text
);
CREATE INDEX cases_open ON cases (event_id) WHERE closing_id IS NULL;
CREATE INDEX cases_closed ON cases (event_id) WHERE closing_id IS NOT NULL;
CREATE INDEX cases_at ON cases (at);
INSERT INTO cases (event_id, at) SELECT id, at FROM events WHERE kind = 'anomaly.found' AND detail NOT LIKE '% answer=note%';

-- +goose Down
DROP TABLE cases;
