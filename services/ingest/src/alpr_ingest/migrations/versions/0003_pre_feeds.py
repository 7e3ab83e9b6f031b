"""Feeds: where a list is fetched from, when, and what came of it."""

from alembic import op

revision = "0003_pre_feeds"
down_revision = "0002_pre_loads"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # The secrets of a feed are files of the operator; what is named here is where they lie.
    """CREATE TABLE ingest.feeds (
        agency text NOT NULL,
        code text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('sftp', 'https', 'folder')),
        address text NOT NULL CHECK (address <> ''),
        layout text NOT NULL,
        every_s integer NOT NULL,
        at text[] NOT NULL,
        credential text NOT NULL,
        host_key text NOT NULL,
        move_loaded boolean NOT NULL,
        sources text[] NOT NULL,
        permissible_use text NOT NULL,
        set_by text NOT NULL,
        set_at timestamptz NOT NULL,
        next_at timestamptz NOT NULL,
        failures integer NOT NULL DEFAULT 0,
        asked_by text NOT NULL DEFAULT '',
        last_ok_at timestamptz,
        etag text NOT NULL DEFAULT '',
        modified text NOT NULL DEFAULT '',
        sha256 bytea NOT NULL DEFAULT '',
        version bigint NOT NULL DEFAULT 0,
        refused text NOT NULL DEFAULT '',
        PRIMARY KEY (agency, code),
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists,
        CHECK ((every_s > 0) <> (cardinality(at) > 0))
    )""",
    "CREATE INDEX feeds_due ON ingest.feeds (next_at)",
    """CREATE TABLE ingest.pulls (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        agency text NOT NULL,
        code text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz,
        outcome text NOT NULL
            CHECK (outcome IN ('running', 'loaded', 'unchanged', 'refused', 'failed', 'interrupted')),
        reason_code text NOT NULL DEFAULT '',
        detail text NOT NULL DEFAULT '',
        size bigint NOT NULL DEFAULT 0,
        sha256 bytea NOT NULL DEFAULT '',
        version bigint NOT NULL DEFAULT 0,
        asked_by text NOT NULL DEFAULT '',
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    "CREATE INDEX pulls_newest ON ingest.pulls (agency, code, number DESC)",
    # What is wrong with a list now: raised once, removed when it is mended.
    """CREATE TABLE ingest.list_alarms (
        agency text NOT NULL,
        code text NOT NULL,
        kind text NOT NULL,
        reason_code text NOT NULL,
        raised_at timestamptz NOT NULL,
        PRIMARY KEY (agency, code, kind),
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    """CREATE TABLE ingest.list_days (
        agency text NOT NULL,
        code text NOT NULL,
        day date NOT NULL,
        loads integer NOT NULL,
        needed integer NOT NULL,
        PRIMARY KEY (agency, code, day),
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    # From when on somebody counts on a list: its age is measured from here until its first load.
    "ALTER TABLE ingest.hotlists ADD COLUMN watched_from timestamptz",
    "ALTER TABLE ingest.hotlists ADD COLUMN categories_off text[] NOT NULL DEFAULT '{}'",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.feeds TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.pulls TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.list_alarms TO alpr_ingest",
    "GRANT SELECT, INSERT ON ingest.list_days TO alpr_ingest",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
