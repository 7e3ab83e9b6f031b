"""The erasure of personal content whose time is over."""

from __future__ import annotations

from alembic import op

revision = "0004_pre_log"
down_revision = "0003_pre_reviews"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # The running service erases only what a committed redaction names and what is older than a year by the time in
    # the signed entry itself (CJIS AU-11): a service that is lied to about the time still keeps a year.
    r"""CREATE FUNCTION audit.erase(redaction bigint, moment timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        said jsonb;
        newest timestamptz;
        erased bigint;
    BEGIN
        SELECT convert_from(e.leaf, 'UTF8')\:\:jsonb INTO said FROM audit.entries AS e
        WHERE e.idx = redaction AND e.kind = 'redaction';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'REDACTION_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT (convert_from(e.leaf, 'UTF8')\:\:jsonb ->> 'time')\:\:timestamptz INTO newest FROM audit.entries AS e
        WHERE e.idx = (said #>> '{facts,through}')\:\:bigint AND e.idx < redaction;
        IF newest IS NULL OR newest > least(moment, clock_timestamp()) - interval '1 year' THEN
            RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'insufficient_privilege';
        END IF;
        DELETE FROM audit.intents AS i WHERE i.idx BETWEEN (said #>> '{facts,from}')\:\:bigint
            AND (said #>> '{facts,through}')\:\:bigint;
        DELETE FROM audit.personal AS p WHERE p.idx BETWEEN (said #>> '{facts,from}')\:\:bigint
            AND (said #>> '{facts,through}')\:\:bigint;
        GET DIAGNOSTICS erased = ROW_COUNT;
        RETURN erased;
    END $$""",
    "GRANT EXECUTE ON FUNCTION audit.erase(bigint, timestamptz) TO alpr_audit",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
