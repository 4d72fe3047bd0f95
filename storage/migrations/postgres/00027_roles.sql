-- What people may do at the operators' desk. Who had a role and has none keeps a row, which says since when.

-- +goose Up
CREATE TABLE roles (
    user_id uuid   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    role    text   NOT NULL,
    since   bigint NOT NULL
);

-- +goose Down
DROP TABLE roles;
