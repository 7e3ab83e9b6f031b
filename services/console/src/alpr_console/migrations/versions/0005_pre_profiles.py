"""Profile versions with author, approval and effective date; published guidelines; what other databases answered."""

from __future__ import annotations

from alembic import op

revision = "0005_pre_profiles"
down_revision = "0004_pre_sign_in"
branch_labels = None
depends_on = None

TABLES = (
    # whoever ever was an agency's program manager, so that nobody is alone again by closing a colleague's account
    """
    CREATE TABLE console.program_managers (
        agency text NOT NULL,
        person_id text NOT NULL,
        PRIMARY KEY (agency, person_id)
    )
    """,
    """
    INSERT INTO console.program_managers
    SELECT agency, person_id FROM console.people WHERE 'program_manager' = ANY (roles)
    """,
    """
    CREATE FUNCTION console.note_program_manager() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF 'program_manager' = ANY (NEW.roles) THEN
            INSERT INTO console.program_managers VALUES (NEW.agency, NEW.person_id) ON CONFLICT DO NOTHING;
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER note_program_manager AFTER INSERT OR UPDATE OF roles ON console.people
    FOR EACH ROW EXECUTE FUNCTION console.note_program_manager()
    """,
    """
    CREATE TABLE console.profile_drafts (
        agency text NOT NULL,
        number integer NOT NULL CHECK (number > 0),
        version text NOT NULL,
        document text NOT NULL,
        based_on text NOT NULL,
        note text NOT NULL,
        author_id text NOT NULL,
        author_name text NOT NULL,
        author_title text NOT NULL,
        written_at timestamptz NOT NULL,
        PRIMARY KEY (agency, number)
    )
    """,
    """
    CREATE TABLE console.profile_decisions (
        agency text NOT NULL,
        number integer NOT NULL,
        decision text NOT NULL CHECK (decision IN ('approved', 'withdrawn')),
        person_id text NOT NULL,
        full_name text NOT NULL,
        title text NOT NULL,
        delegation_id text NOT NULL DEFAULT '',
        decided_at timestamptz NOT NULL,
        effective_at timestamptz,
        PRIMARY KEY (agency, number, decision),
        FOREIGN KEY (agency, number) REFERENCES console.profile_drafts
    )
    """,
    """
    CREATE TABLE console.profile_in_force (
        agency text NOT NULL,
        place integer NOT NULL CHECK (place > 0),
        number integer,
        version text NOT NULL,
        effective_at timestamptz NOT NULL,
        put_at timestamptz NOT NULL,
        PRIMARY KEY (agency, place),
        UNIQUE (agency, number),
        FOREIGN KEY (agency, version) REFERENCES console.profile_versions,
        FOREIGN KEY (agency, number) REFERENCES console.profile_drafts
    )
    """,
    """
    CREATE TABLE console.guidelines (
        agency text NOT NULL,
        number integer NOT NULL CHECK (number > 0),
        document text NOT NULL,
        sha256 bytea NOT NULL,
        profile_version text NOT NULL,
        made_by text NOT NULL,
        made_name text NOT NULL,
        made_at timestamptz NOT NULL,
        PRIMARY KEY (agency, number)
    )
    """,
    """
    CREATE TABLE console.guideline_acts (
        agency text NOT NULL,
        number integer NOT NULL,
        act text NOT NULL CHECK (act IN ('approved', 'published')),
        person_id text NOT NULL,
        full_name text NOT NULL,
        title text NOT NULL,
        delegation_id text NOT NULL DEFAULT '',
        acted_at timestamptz NOT NULL,
        PRIMARY KEY (agency, number, act),
        FOREIGN KEY (agency, number) REFERENCES console.guidelines
    )
    """,
    """
    CREATE TABLE console.verifications (
        verification_id text PRIMARY KEY,
        agency text NOT NULL,
        hit_id text NOT NULL,
        source text NOT NULL CHECK (source IN ('CLETS', 'NCIC', 'OTHER')),
        route text NOT NULL CHECK (route IN ('mobile_terminal', 'dispatch', 'desktop')),
        result text NOT NULL CHECK (result IN ('confirmed', 'not_current', 'no_record')),
        reference text NOT NULL,
        override_reason text NOT NULL DEFAULT '',
        person_id text NOT NULL,
        full_name text NOT NULL,
        profile_version text NOT NULL,
        verified_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX verifications_hit ON console.verifications (agency, hit_id, verified_at)",
    "CREATE INDEX verifications_expiry ON console.verifications (expires_at)",
    # what the other database answered, word for word: sealed, apart from everything that is shown or exported (SEC-06)
    """
    CREATE TABLE console.verification_texts (
        verification_id text PRIMARY KEY REFERENCES console.verifications ON DELETE CASCADE,
        agency text NOT NULL,
        sealed bytea NOT NULL,
        key_id text NOT NULL
    )
    """,
    # a registration names a person: it goes in the moment in which the hit goes that the entry made (SEC-05)
    """
    CREATE TABLE console.registration_lookups (
        lookup_id text PRIMARY KEY,
        agency text NOT NULL,
        hit_id text NOT NULL REFERENCES console.hits ON DELETE CASCADE,
        entry_id text NOT NULL,
        permissible_use text NOT NULL CHECK (permissible_use <> ''),
        answered_by text NOT NULL,
        sealed bytea NOT NULL,
        key_id text NOT NULL,
        person_id text NOT NULL,
        full_name text NOT NULL,
        looked_up_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX registration_lookups_hit ON console.registration_lookups (agency, hit_id, looked_up_at)",
)
SCOPED = ("verifications", "verification_texts", "registration_lookups")
"""Tables about hits: a row is seen only by the agency the transaction speaks for ('*': the purge)."""
RIGHTS = {
    # history: what was written, decided and in force is never changed or removed (CFG-02)
    "program_managers": "SELECT, INSERT",
    "profile_drafts": "SELECT, INSERT",
    "profile_decisions": "SELECT, INSERT",
    "profile_in_force": "SELECT, INSERT",
    "guidelines": "SELECT, INSERT",
    "guideline_acts": "SELECT, INSERT",
    "verifications": "SELECT, INSERT, DELETE",
    "verification_texts": "SELECT, INSERT, DELETE",
    "registration_lookups": "SELECT, INSERT",
}


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in SCOPED:
        op.execute(f"ALTER TABLE console.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE console.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_rows ON console.{table} USING (true)")
        op.execute(
            f"CREATE POLICY {table}_agency ON console.{table} AS RESTRICTIVE "
            "USING (current_setting('console.agency', true) IN (agency, '*'))"
        )
    for table, rights in RIGHTS.items():
        op.execute(f"GRANT {rights} ON console.{table} TO alpr_console")
