-- Gives a role what `sojourn serve` needs and no more: it owns no table, so that it can drop no trigger and takes no head away. Run it as the
-- owner after each `sojourn migrate`, which goes on as the owner; so does `sojourn key reseal`. docs/audit.md says what that is good for,
-- and what it can't keep from whoever breaks into a server.
-- psql -v ON_ERROR_STOP=1 -v role=sojourn_serve -f serve-rights.sql postgres://owner@host/sojourn

BEGIN;
GRANT USAGE ON SCHEMA public TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"role";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"role";

REVOKE INSERT, UPDATE, DELETE ON goose_db_version FROM :"role";
REVOKE UPDATE, DELETE ON event_heads, installation_secrets FROM :"role";
REVOKE UPDATE, DELETE ON event_days FROM :"role";
GRANT UPDATE (released, gone) ON event_days TO :"role";
REVOKE UPDATE ON events FROM :"role";
GRANT UPDATE (at, repeats, user_id, session_id, detail, address, browser, erased) ON events TO :"role";
COMMIT;
