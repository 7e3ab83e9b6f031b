"""Special lists, hot plates and partial plates: approvals, authorizations, entries."""

from alembic import op

revision = "0004_pre_special"
down_revision = "0003_pre_feeds"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # What people enter one by one. Everything but the plate is in `sealed` (HOT-12); the times are needed to end an
    # entry, the author to tell whether another person extends it. Kept after its end (HOT-19).
    """CREATE TABLE ingest.entered (
        entry_id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('hot_plate', 'partial')),
        agency text NOT NULL,
        plate text NOT NULL CHECK (plate <> ''),
        skeleton text NOT NULL,
        sealed bytea NOT NULL,
        key_id text NOT NULL,
        author text NOT NULL,
        entered_at timestamptz NOT NULL,
        effective_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        extends uuid REFERENCES ingest.entered,
        withdrawn_at timestamptz,
        handed_over_at timestamptz,
        in_force_at timestamptz,
        revision integer NOT NULL DEFAULT 1,
        told integer NOT NULL DEFAULT 0,
        gone boolean NOT NULL DEFAULT false
    )""",
    # One successor at a time: one that was withdrawn, or that ended before it began, leaves room for another.
    """CREATE UNIQUE INDEX entered_successor ON ingest.entered (extends)
        WHERE withdrawn_at IS NULL AND expires_at > effective_at""",
    "CREATE INDEX entered_of_agency ON ingest.entered (agency, kind, entered_at DESC)",
    "CREATE INDEX entered_of_plate ON ingest.entered (agency, plate) WHERE NOT gone",
    "CREATE INDEX entered_alive ON ingest.entered (kind, agency) WHERE NOT gone",
    # A tombstone has no value.
    "ALTER TABLE ingest.outbox ALTER COLUMN value DROP NOT NULL",
    """CREATE TABLE ingest.list_approvals (
        approval_id uuid PRIMARY KEY,
        agency text NOT NULL,
        code text NOT NULL,
        approved_by text NOT NULL,
        approver_name text NOT NULL,
        delegation_id text NOT NULL,
        note text NOT NULL,
        approved_at timestamptz NOT NULL,
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    """CREATE TABLE ingest.share_authorizations (
        authorization_id uuid PRIMARY KEY,
        agency text NOT NULL,
        code text NOT NULL,
        recipient text NOT NULL,
        recipient_class text NOT NULL,
        authorized_by text NOT NULL,
        authorizer_name text NOT NULL,
        delegation_id text NOT NULL,
        note text NOT NULL,
        authorized_at timestamptz NOT NULL,
        valid_to timestamptz,
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    """CREATE TABLE ingest.shares (
        share_id uuid PRIMARY KEY,
        agency text NOT NULL,
        code text NOT NULL,
        recipient text NOT NULL,
        recipient_class text NOT NULL,
        purpose text NOT NULL,
        shared_by text NOT NULL,
        shared_at timestamptz NOT NULL,
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    """CREATE TABLE ingest.share_deliveries (
        delivery_id uuid PRIMARY KEY,
        share_id uuid NOT NULL REFERENCES ingest.shares,
        version bigint NOT NULL,
        entries bigint NOT NULL,
        delivered_by text NOT NULL,
        delivered_at timestamptz NOT NULL
    )""",
    "GRANT SELECT, INSERT, UPDATE ON ingest.entered TO alpr_ingest",
    """GRANT SELECT, INSERT ON ingest.list_approvals, ingest.share_authorizations, ingest.shares,
        ingest.share_deliveries TO alpr_ingest""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
