-- Partitions the table sessions by hash of its id, in one transaction with the servers stopped: nobody can read or write it
-- meanwhile, and it needs the table's size again on the disk. docs/scale.md says when that pays, and what it costs.
-- psql -v ON_ERROR_STOP=1 -f partition-sessions.sql postgres://owner@host/sojourn

BEGIN;
SET LOCAL lock_timeout = '3s';
LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    partitions CONSTANT integer := 16;
    again text[]; -- what makes the constraints and indexes, by their own names: later migrations go by those
    one   record;
    name  text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'sessions'::regclass) = 'p' THEN
        RAISE EXCEPTION 'sessions is partitioned already';
    END IF;
    FOR one IN SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conrelid = 'sessions'::regclass ORDER BY contype DESC
    LOOP
        again := again || format('ALTER TABLE sessions ADD CONSTRAINT %I %s', one.conname, one.def);
    END LOOP;
    FOR one IN SELECT pg_get_indexdef(indexrelid) AS def FROM pg_index WHERE indrelid = 'sessions'::regclass AND NOT indisprimary
    LOOP
        again := again || one.def;
    END LOOP;

    ALTER TABLE sessions RENAME TO sessions_whole;
    CREATE TABLE sessions (LIKE sessions_whole INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY HASH (id);
    FOR i IN 0 .. partitions - 1
    LOOP
        EXECUTE format('CREATE TABLE sessions_%s PARTITION OF sessions FOR VALUES WITH (MODULUS %s, REMAINDER %s) '
            'WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)', i, partitions, i);
    END LOOP;
    INSERT INTO sessions SELECT * FROM sessions_whole;

    FOR one IN SELECT grantee, privilege_type FROM information_schema.role_table_grants
        WHERE table_name = 'sessions_whole' AND table_schema = current_schema() AND grantee <> current_user
    LOOP
        EXECUTE format('GRANT %s ON sessions TO %I', one.privilege_type, one.grantee);
    END LOOP;
    DROP TABLE sessions_whole;
    FOREACH name IN ARRAY again
    LOOP
        EXECUTE name;
    END LOOP;
END $$;

COMMIT;
ANALYZE sessions;
