"""Loads: how each came, what it lifted and rejected, what it can be rolled back to, and who asked and approved."""

from alembic import op

revision = "0002_pre_loads"
down_revision = "0001_pre_ingest"
branch_labels = None
depends_on = None

STATEMENTS = (
    # The version that a rollback restores; its entries are kept until the next good load. 0: there is none.
    "ALTER TABLE ingest.hotlists ADD rollback_to bigint NOT NULL DEFAULT 0",
    # The permissible use of 18 USC 2721(b) under which registration data is used; empty: the list holds none.
    "ALTER TABLE ingest.hotlists ADD permissible_use text NOT NULL DEFAULT ''",
    """ALTER TABLE ingest.loads
        ADD mode text NOT NULL DEFAULT 'full' CHECK (mode IN ('full', 'incremental', 'change', 'rollback')),
        ADD layout text NOT NULL DEFAULT '',
        ADD note text NOT NULL DEFAULT '',
        ADD lifted text[] NOT NULL DEFAULT '{}',
        ADD sources jsonb NOT NULL DEFAULT '[]',
        ADD category_off bigint NOT NULL DEFAULT 0,
        ADD permissible_use text NOT NULL DEFAULT '',
        ADD recipe bytea NOT NULL DEFAULT '',
        ADD restores bigint""",
    # The digest tells whether an entry is what it was without opening its seal: HMAC under a key derived from the
    # list key, so that it tells nothing to who has not the key. Spent: no longer on the topic, kept for a rollback.
    "ALTER TABLE ingest.entries ADD digest bytea, ADD spent boolean NOT NULL DEFAULT false",
    "DROP INDEX ingest.entries_from",
    "CREATE INDEX entries_from ON ingest.entries (agency, code, from_version, skeleton)",
    "DROP INDEX ingest.entries_closed",
    """CREATE INDEX entries_closed ON ingest.entries (agency, code, until_version, skeleton)
        WHERE until_version <> 0 AND NOT spent""",
    "CREATE INDEX entries_spent ON ingest.entries (agency, code, until_version) WHERE spent",
    """CREATE TABLE ingest.load_rejects (
        agency text NOT NULL,
        code text NOT NULL,
        version bigint NOT NULL,
        line bigint NOT NULL,
        reason_code text NOT NULL,
        PRIMARY KEY (agency, code, version, line),
        FOREIGN KEY (agency, code, version) REFERENCES ingest.loads
    )""",
    """CREATE TABLE ingest.rollbacks (
        rollback_id uuid PRIMARY KEY,
        agency text NOT NULL,
        code text NOT NULL,
        from_version bigint NOT NULL,
        to_version bigint NOT NULL,
        note text NOT NULL CHECK (note <> ''),
        asked_by text NOT NULL,
        asked_at timestamptz NOT NULL,
        approved_by text CHECK (approved_by <> asked_by),
        approved_at timestamptz,
        version bigint,
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    "CREATE INDEX rollbacks_list ON ingest.rollbacks (agency, code, asked_at)",
    "GRANT SELECT, INSERT, DELETE ON ingest.load_rejects TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE ON ingest.rollbacks TO alpr_ingest",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
