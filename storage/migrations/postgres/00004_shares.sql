-- Nobody is bigger than their share: each sweep and each list goes by an index, however much somebody has piled up.
-- Indexes are built beside the traffic; what a broken run left half built is made anew.

-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '3s';
DROP INDEX CONCURRENTLY IF EXISTS sessions_ended;
CREATE INDEX CONCURRENTLY sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS sessions_of_user;
CREATE INDEX CONCURRENTLY sessions_of_user ON sessions (user_id, id);
DROP INDEX CONCURRENTLY IF EXISTS sessions_user;
DROP INDEX CONCURRENTLY IF EXISTS sessions_of_client;
CREATE INDEX CONCURRENTLY sessions_of_client ON sessions (client_id, id);
DROP INDEX CONCURRENTLY IF EXISTS sessions_client;
DROP INDEX CONCURRENTLY IF EXISTS sign_ins_ended;
CREATE INDEX CONCURRENTLY sign_ins_ended ON sign_ins (ended_at) WHERE ended_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS states_deleted;
CREATE INDEX CONCURRENTLY states_deleted ON states (updated_at) WHERE deleted;
DROP INDEX CONCURRENTLY IF EXISTS states_client;
CREATE INDEX CONCURRENTLY states_client ON states (client_id);
DROP INDEX CONCURRENTLY IF EXISTS throttles_tried;
CREATE INDEX CONCURRENTLY throttles_tried ON throttles (last_try_at);
DROP INDEX CONCURRENTLY IF EXISTS deliveries_old;
CREATE INDEX CONCURRENTLY deliveries_old ON deliveries (COALESCE(dead_at, next_try_at));
DROP INDEX CONCURRENTLY IF EXISTS deliveries_dead;
CREATE INDEX CONCURRENTLY deliveries_dead ON deliveries (id, kind) WHERE dead_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS clients_unused;
CREATE INDEX CONCURRENTLY clients_unused ON clients (created_at) WHERE self_registered AND first_used_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS events_by_time;
CREATE INDEX CONCURRENTLY events_by_time ON events (at, id);
DROP INDEX CONCURRENTLY IF EXISTS events_at;
DROP INDEX CONCURRENTLY IF EXISTS events_session;
CREATE INDEX CONCURRENTLY events_session ON events (session_id, at) WHERE session_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS events_feed;
CREATE INDEX CONCURRENTLY events_feed ON events (user_id, at) WHERE kind IN ('profile.changed', 'session.ended');

-- Who does what only one of all processes should do, and until when it is theirs.
CREATE TABLE IF NOT EXISTS leases (
    name  text   PRIMARY KEY,
    until bigint NOT NULL
);
RESET lock_timeout;

-- +goose Down
DROP TABLE IF EXISTS leases;
DROP INDEX IF EXISTS events_feed;
DROP INDEX IF EXISTS events_session;
CREATE INDEX IF NOT EXISTS events_at ON events (at);
DROP INDEX IF EXISTS events_by_time;
DROP INDEX IF EXISTS clients_unused;
DROP INDEX IF EXISTS deliveries_dead;
DROP INDEX IF EXISTS deliveries_old;
DROP INDEX IF EXISTS throttles_tried;
DROP INDEX IF EXISTS states_client;
DROP INDEX IF EXISTS states_deleted;
DROP INDEX IF EXISTS sign_ins_ended;
CREATE INDEX IF NOT EXISTS sessions_client ON sessions (client_id);
DROP INDEX IF EXISTS sessions_of_client;
CREATE INDEX IF NOT EXISTS sessions_user ON sessions (user_id);
DROP INDEX IF EXISTS sessions_of_user;
DROP INDEX IF EXISTS sessions_ended;
