-- Nobody is bigger than their share: each sweep and each list goes by an index, however much somebody has piled up.

-- +goose Up
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_of_user ON sessions (user_id, id);
DROP INDEX sessions_user;
CREATE INDEX sessions_of_client ON sessions (client_id, id);
DROP INDEX sessions_client;
CREATE INDEX sign_ins_ended ON sign_ins (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX states_deleted ON states (updated_at) WHERE deleted;
CREATE INDEX states_client ON states (client_id);
CREATE INDEX throttles_tried ON throttles (last_try_at);
CREATE INDEX deliveries_old ON deliveries (COALESCE(dead_at, next_try_at));
CREATE INDEX deliveries_dead ON deliveries (id, kind) WHERE dead_at IS NOT NULL;
CREATE INDEX clients_unused ON clients (created_at) WHERE self_registered AND first_used_at IS NULL;
CREATE INDEX events_by_time ON events (at, id);
DROP INDEX events_at;
CREATE INDEX events_session ON events (session_id, at) WHERE session_id IS NOT NULL;
CREATE INDEX events_feed ON events (user_id, at) WHERE kind IN ('profile.changed', 'session.ended');

-- Who does what only one of all processes should do, and until when it is theirs.
CREATE TABLE leases (
    name  text    NOT NULL PRIMARY KEY,
    until integer NOT NULL
);

-- +goose Down
DROP TABLE leases;
DROP INDEX events_feed;
DROP INDEX events_session;
CREATE INDEX events_at ON events (at);
DROP INDEX events_by_time;
DROP INDEX clients_unused;
DROP INDEX deliveries_dead;
DROP INDEX deliveries_old;
DROP INDEX throttles_tried;
DROP INDEX states_client;
DROP INDEX states_deleted;
DROP INDEX sign_ins_ended;
CREATE INDEX sessions_client ON sessions (client_id);
DROP INDEX sessions_of_client;
CREATE INDEX sessions_user ON sessions (user_id);
DROP INDEX sessions_of_user;
DROP INDEX sessions_ended;
