"""The device registry, the lists with their loads and entries, and the outbox."""

from alembic import op

revision = "0001_pre_ingest"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE ingest.devices (
        device_id text PRIMARY KEY,
        agency text NOT NULL CHECK (agency <> ''),
        kind text NOT NULL CHECK (kind IN ('mobile', 'fixed', 'trailer')),
        name text NOT NULL,
        carrier text NOT NULL,
        public_view boolean,
        siting_approver text,
        siting_declared_on date,
        in_service boolean NOT NULL,
        latitude double precision,
        longitude double precision,
        public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
        software_version text NOT NULL DEFAULT '',
        revision integer NOT NULL DEFAULT 1,
        registered_at timestamptz NOT NULL,
        CHECK (kind <> 'fixed' OR (latitude IS NOT NULL AND longitude IS NOT NULL))
    )""",
    "CREATE INDEX devices_agency ON ingest.devices (agency, device_id)",
    # A camera belongs to one device for good: its id is a part of every frame id.
    """CREATE TABLE ingest.cameras (
        camera_id text PRIMARY KEY,
        device_id text NOT NULL REFERENCES ingest.devices,
        ordinal smallint NOT NULL,
        name text NOT NULL,
        directions text[] NOT NULL,
        view text NOT NULL,
        UNIQUE (device_id, ordinal)
    )""",
    """CREATE TABLE ingest.hotlists (
        agency text NOT NULL,
        code text NOT NULL,
        name text NOT NULL,
        list_type text NOT NULL,
        advisory_class text NOT NULL CHECK (advisory_class <> ''),
        default_reason text NOT NULL,
        source text NOT NULL,
        legitimate_interest text NOT NULL,
        loads_per_day integer NOT NULL CHECK (loads_per_day > 0),
        approved boolean NOT NULL,
        created_by text NOT NULL,
        version bigint NOT NULL DEFAULT 0,
        entries bigint NOT NULL DEFAULT 0,
        source_time timestamptz,
        loaded_at timestamptz,
        end_offsets jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (agency, code)
    )""",
    # What remains of an old version is its row here (HOT-04).
    """CREATE TABLE ingest.loads (
        agency text NOT NULL,
        code text NOT NULL,
        version bigint NOT NULL,
        state text NOT NULL CHECK (state IN ('publishing', 'active')),
        source_time timestamptz NOT NULL,
        staged_at timestamptz NOT NULL,
        active_at timestamptz,
        loaded_by text NOT NULL,
        file_sha256 bytea NOT NULL,
        entries bigint NOT NULL,
        added bigint NOT NULL,
        changed bigint NOT NULL,
        removed bigint NOT NULL,
        rejected bigint NOT NULL,
        buckets bigint NOT NULL DEFAULT 0,
        published bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (agency, code, version),
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    "CREATE INDEX loads_publishing ON ingest.loads (staged_at) WHERE state = 'publishing'",
    # Everything but the plate is in `sealed` (HOT-12); agency, list and span are needed to find and switch.
    """CREATE TABLE ingest.entries (
        entry_id uuid NOT NULL,
        from_version bigint NOT NULL,
        until_version bigint NOT NULL DEFAULT 0,
        agency text NOT NULL,
        code text NOT NULL,
        plate text NOT NULL CHECK (plate <> ''),
        skeleton text NOT NULL,
        sealed bytea NOT NULL,
        key_id text NOT NULL,
        PRIMARY KEY (entry_id, from_version)
    )""",
    "CREATE INDEX entries_skeleton ON ingest.entries (skeleton)",
    "CREATE INDEX entries_from ON ingest.entries (agency, code, from_version)",
    "CREATE INDEX entries_closed ON ingest.entries (agency, code, until_version) WHERE until_version <> 0",
    """CREATE TABLE ingest.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        key text NOT NULL,
        value bytea NOT NULL,
        ce_id text NOT NULL,
        created_at timestamptz NOT NULL
    )""",
    "GRANT SELECT, INSERT, UPDATE ON ingest.devices, ingest.hotlists, ingest.loads TO alpr_ingest",
    "GRANT SELECT, INSERT ON ingest.cameras TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.entries TO alpr_ingest",
    "GRANT SELECT, INSERT, DELETE ON ingest.outbox TO alpr_ingest",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
