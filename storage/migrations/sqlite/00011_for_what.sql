-- Trust lasts as long as what it was given for: a sign-in knows the request that it was proved for, a consent the
-- credentials and the page that it was given under. Operators may vouch for an app that others could pose as.

-- +goose Up
ALTER TABLE sign_ins ADD COLUMN proved_for text NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
ALTER TABLE grants ADD COLUMN epoch integer NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN shown blob NOT NULL DEFAULT x'';
ALTER TABLE clients ADD COLUMN trusted_native boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE clients DROP COLUMN trusted_native;
ALTER TABLE grants DROP COLUMN shown;
ALTER TABLE grants DROP COLUMN epoch;
ALTER TABLE sign_ins DROP COLUMN proved_for;
