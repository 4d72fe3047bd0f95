-- What lives of a user and of a client, in the order in which endings go, past whatever was over before. A refresh writes
-- none of these columns.

-- +goose Up
CREATE INDEX sessions_living_user ON sessions (user_id, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_living_client ON sessions (client_id, id) WHERE ended_at IS NULL;
DROP INDEX sessions_of_client;
CREATE INDEX sign_ins_living_user ON sign_ins (user_id, id) WHERE ended_at IS NULL;

-- +goose Down
DROP INDEX sign_ins_living_user;
CREATE INDEX sessions_of_client ON sessions (client_id, id);
DROP INDEX sessions_living_client;
DROP INDEX sessions_living_user;
