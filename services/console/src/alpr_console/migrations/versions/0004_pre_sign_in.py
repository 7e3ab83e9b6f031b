"""Second factors, locked accounts, steps of a sign-in, people of an identity provider, alerts."""

from __future__ import annotations

from alembic import op

revision = "0004_pre_sign_in"
down_revision = "0003_pre_people"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    ALTER TABLE console.people
        ADD COLUMN password_first boolean NOT NULL DEFAULT false,
        ADD COLUMN password_at timestamptz,
        ADD COLUMN totp_offered text NOT NULL DEFAULT '',
        ADD COLUMN locked_at timestamptz
    """,
    # whoever signed in before this migration goes on with a session of the password alone, within its 12 hours
    """
    ALTER TABLE console.sessions
        ADD COLUMN authenticated_at timestamptz,
        ADD COLUMN authenticated_by text[] NOT NULL DEFAULT '{}',
        ADD COLUMN factor_waived boolean NOT NULL DEFAULT false,
        ADD COLUMN lock_exempt boolean NOT NULL DEFAULT false,
        ADD COLUMN banner text NOT NULL DEFAULT '',
        ADD COLUMN provider_session text NOT NULL DEFAULT ''
    """,
    "UPDATE console.sessions SET authenticated_at = started_at",
    "ALTER TABLE console.sessions ALTER COLUMN authenticated_at SET DEFAULT now()",
    "ALTER TABLE console.sessions ALTER COLUMN authenticated_at SET NOT NULL",
    "CREATE INDEX sessions_person ON console.sessions (person_id) WHERE ended_at IS NULL",
    """
    CREATE TABLE console.security_keys (
        credential_id bytea PRIMARY KEY,
        person_id text NOT NULL REFERENCES console.people,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        label text NOT NULL,
        added_at timestamptz NOT NULL,
        used_at timestamptz,
        removed_at timestamptz
    )
    """,
    "CREATE INDEX security_keys_person ON console.security_keys (person_id) WHERE removed_at IS NULL",
    """
    CREATE TABLE console.sign_in_steps (
        step_id text PRIMARY KEY,
        person_id text,
        facts jsonb NOT NULL,
        challenge bytea NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE console.provider_people (
        issuer text NOT NULL,
        subject text NOT NULL,
        person_id text NOT NULL UNIQUE REFERENCES console.people,
        linked_by text NOT NULL,
        linked_at timestamptz NOT NULL,
        PRIMARY KEY (issuer, subject)
    )
    """,
    """
    CREATE TABLE console.alerts (
        alert_id text PRIMARY KEY,
        agency text NOT NULL,
        kind text NOT NULL,
        person_id text NOT NULL,
        username text NOT NULL,
        full_name text NOT NULL,
        facts jsonb NOT NULL,
        raised_at timestamptz NOT NULL,
        seen_at timestamptz,
        seen_by text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX alerts_newest ON console.alerts (agency, raised_at DESC)",
)
RIGHTS = {
    "security_keys": "SELECT, INSERT, UPDATE",
    "sign_in_steps": "SELECT, INSERT, UPDATE, DELETE",
    "provider_people": "SELECT, INSERT, DELETE",
    "alerts": "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table, rights in RIGHTS.items():
        op.execute(f"GRANT {rights} ON console.{table} TO alpr_console")
