-- Roles and schemas of Plateline, safe to run again and again, by an administrator of the database.
--
-- Each schema has two roles: the owner migrates, the other one is the running service and holds only what the
-- owner's migrations grant. alpr_reader is the connection of the query door: it may execute two
-- functions, which answer committed entries.
--
-- Passwords arrive as SCRAM verifiers in the setting alpr.verifiers, a JSON object of role to verifier, so that no
-- password is sent to the server; a role without one cannot log in by password. `python -m alprcore.migrate prepare`
-- makes the verifiers and runs this file.

DO $roles$
DECLARE
    verifiers jsonb := coalesce(nullif(current_setting('alpr.verifiers', true), ''), '{}')::jsonb;
    role_name text;
    service text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'alpr_ingest_owner', 'alpr_ingest',
        'alpr_audit_owner', 'alpr_audit',
        'alpr_retention_owner', 'alpr_retention',
        'alpr_console_owner', 'alpr_console',
        'alpr_reader'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOCREATEDB NOCREATEROLE NOINHERIT', role_name);
        END IF;
        IF verifiers ? role_name THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', role_name, verifiers ->> role_name);
        END IF;
        EXECUTE format('ALTER ROLE %I SET search_path = pg_catalog', role_name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role_name);
        -- alpr_reader asks on behalf of a person: nothing but reading, and not for long
        IF role_name = 'alpr_reader' THEN
            EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', role_name, '10s');
        END IF;
    END LOOP;

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    -- a list on its way into force lies in tables of its own connection: they end with it, killed or not
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO alpr_ingest', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;

    FOREACH service IN ARRAY ARRAY['ingest', 'audit', 'retention', 'console'] LOOP
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', 'alpr_' || service || '_owner');
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, 'alpr_' || service || '_owner');
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, 'alpr_' || service);
        EXECUTE format(
            'ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
            'alpr_' || service || '_owner'
        );
    END LOOP;

    -- retention.search_reads, owned by alpr_retention_owner, asks audit.permitted what an entry permits
    GRANT USAGE ON SCHEMA audit TO alpr_retention_owner;
    GRANT USAGE ON SCHEMA retention TO alpr_reader;
END
$roles$;
