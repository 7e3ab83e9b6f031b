"""What an entry permits: read by retention through one function, which checks it against the entry and the tree."""

from __future__ import annotations

from alembic import op

revision = "0005_pre_permits"
down_revision = "0004_pre_log"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # RFC 8785: keys in order, numbers as ECMAScript writes them; jsonb has lost how the very small and large were written.
    r"""CREATE FUNCTION audit.canonical(value jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS $$
    BEGIN
        RETURN CASE jsonb_typeof(value)
            WHEN 'object' THEN '{' || coalesce((SELECT string_agg(to_json(o.key)\:\:text || '\:' || audit.canonical(o.value),
                ',' ORDER BY o.key COLLATE "C") FROM jsonb_each(value) AS o), '') || '}'
            WHEN 'array' THEN '[' || coalesce((SELECT string_agg(audit.canonical(a.value), ',' ORDER BY a.n)
                FROM jsonb_array_elements(value) WITH ORDINALITY AS a (value, n)), '') || ']'
            WHEN 'number' THEN CASE
                WHEN value\:\:numeric = 0 THEN '0'
                WHEN abs(value\:\:numeric) >= 1e21 OR abs(value\:\:numeric) < 1e-6
                    THEN regexp_replace(value\:\:numeric\:\:float8\:\:text, 'e([+-])0*', 'e\1')
                ELSE trim_scale(value\:\:numeric)\:\:text END
            ELSE value\:\:text END;
    END $$""",
    # An intent counts only if its entry is a leaf under a head and commits to this very query, scope and person.
    r"""CREATE FUNCTION audit.permitted(
        entry bigint, OUT person_id text, OUT agency_scope text[], OUT query jsonb, OUT committed_at timestamptz
    ) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        said jsonb;
        salt bytea;
        person jsonb;
    BEGIN
        SELECT i.person_id, i.agency_scope, i.query, i.committed_at, convert_from(e.leaf, 'UTF8')\:\:jsonb, p.salt,
            p.content -> 'person' -> 'person_id'
        INTO person_id, agency_scope, query, committed_at, said, salt, person
        FROM audit.intents AS i JOIN audit.entries AS e ON e.idx = i.idx JOIN audit.personal AS p ON p.idx = i.idx
        WHERE i.idx = entry AND i.idx < (SELECT max(h.size) FROM audit.head AS h);
        IF NOT FOUND THEN
            RETURN;
        END IF;
        IF said -> 'scope' IS DISTINCT FROM to_jsonb(agency_scope) OR person IS DISTINCT FROM to_jsonb(person_id)
            OR said ->> 'permits' IS DISTINCT FROM
                encode(sha256(salt || convert_to(audit.canonical(query), 'UTF8')), 'hex')
        THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_ALTERED' USING ERRCODE = 'insufficient_privilege';
        END IF;
    END $$""",
    "REVOKE ALL ON FUNCTION audit.canonical(jsonb), audit.permitted(bigint) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION audit.permitted(bigint) TO alpr_retention_owner",
    "REVOKE ALL ON audit.intents FROM alpr_retention_owner",
    # The database says when an intent was committed: nobody keeps one fresh by a time that is still to come.
    "REVOKE INSERT ON audit.intents FROM alpr_audit",
    "GRANT INSERT (idx, person_id, agency_scope, query) ON audit.intents TO alpr_audit",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
