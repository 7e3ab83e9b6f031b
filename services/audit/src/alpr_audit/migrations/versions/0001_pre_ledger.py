"""The ledger: entries, their erasable personal content, the intents that a search answers to, the tree, its heads."""

from alembic import op

revision = "0001_pre_ledger"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # The index is given by the one writer: a sequence would leave gaps on rollback.
    r"""CREATE TABLE audit.entries (
        idx bigint PRIMARY KEY CHECK (idx >= 0),
        leaf bytea NOT NULL CHECK (octet_length(leaf) BETWEEN 2 AND 65535),
        leaf_hash bytea NOT NULL CHECK (leaf_hash = sha256('\x00'\:\:bytea || leaf)),
        kind text NOT NULL CHECK (kind <> ''),
        agency text NOT NULL,
        event_id text UNIQUE,
        about bigint,
        committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    "CREATE INDEX entries_agency ON audit.entries (agency, idx)",
    "CREATE INDEX entries_about ON audit.entries (about) WHERE about IS NOT NULL",
    """CREATE TABLE audit.personal (
        idx bigint PRIMARY KEY REFERENCES audit.entries,
        salt bytea NOT NULL CHECK (octet_length(salt) = 32),
        content jsonb NOT NULL
    )""",
    """CREATE TABLE audit.intents (
        idx bigint PRIMARY KEY REFERENCES audit.entries,
        person_id text NOT NULL CHECK (person_id <> ''),
        agency_scope text[] NOT NULL CHECK (cardinality(agency_scope) > 0),
        query jsonb NOT NULL,
        committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    # Perfect subtrees from level 1 up; level 0 is entries.leaf_hash.
    """CREATE TABLE audit.nodes (
        level smallint NOT NULL CHECK (level BETWEEN 1 AND 62),
        idx bigint NOT NULL CHECK (idx >= 0),
        hash bytea NOT NULL CHECK (octet_length(hash) = 32),
        PRIMARY KEY (level, idx)
    )""",
    """CREATE TABLE audit.head (
        size bigint PRIMARY KEY CHECK (size >= 0),
        root bytea NOT NULL CHECK (octet_length(root) = 32),
        note text NOT NULL,
        committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    # No UPDATE, DELETE or TRUNCATE for the running service; what an owner changes, the signed heads tell.
    "GRANT SELECT, INSERT ON audit.entries, audit.personal, audit.intents, audit.nodes, audit.head TO alpr_audit",
    "GRANT SELECT ON audit.intents TO alpr_retention_owner",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
