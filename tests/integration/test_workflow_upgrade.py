"""An upgrade turns findings and answers that were kept into steps of the work, with the codes of today."""

import asyncio

import asyncpg

from alprcore import migrate

KEPT = (
    """INSERT INTO console.verifications (verification_id, agency, hit_id, source, route, result, reference, person_id,
        full_name, profile_version, verified_at, expires_at)
    SELECT 'v-' || n, 'irvine', 'h-1', 'CLETS', 'dispatch', r, 'T-1', 'p', 'Dana', 'irvine@1', to_timestamp(n * 120), now()
    FROM (VALUES (1, 'confirmed'), (2, 'not_current'), (3, 'no_record')) AS kept (n, r)""",
    """INSERT INTO console.read_checks (hit_id, check_no, agency, read_id, device_id, camera_id, reader, result, method,
        state_confirmed, plate_text, corrected_text, person_id, full_name, checked_at, expires_at)
    VALUES ('h-1', 1, 'irvine', 'r', 'd', 'c', 'm', 'correct', 'image_review', 'match', '7OLD001', '', 'p', 'Dana',
        to_timestamp(60), now())""",
)


LATE = KEPT[0].replace("(1, 'confirmed'), (2, 'not_current'), (3, 'no_record')", "(4, 'confirmed')")


def rows(database, *statements):
    async def ask():
        connection = await asyncpg.connect(database.admin)
        try:
            return [[tuple(row) for row in await connection.fetch(statement)] for statement in statements]
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_work_of_before_the_steps_is_taken_over(pg_empty, monkeypatch):
    owner = pg_empty.url("console_owner")
    with monkeypatch.context() as earlier:
        earlier.setattr(migrate, "newest_revision", lambda *_: "0007_pre_lists")
        migrate.migrate(owner, "alpr_console", "console")
    rows(pg_empty, *KEPT)
    with monkeypatch.context() as then:  # what comes later follows the step after it, and would bring it along
        then.setattr(migrate, "newest_revision", lambda *_: "0011_pre_units")
        migrate.migrate(owner, "alpr_console", "console", "pre")
    rows(pg_empty, LATE)  # a replica of the release before, while the new one takes over
    migrate.migrate(owner, "alpr_console", "console")
    steps, kept = rows(
        pg_empty,
        "SELECT step, kind, step_no, step_id FROM console.hit_steps ORDER BY step_no",
        "SELECT result, adapter, test FROM console.verifications ORDER BY verified_at",
    )
    assert steps == [
        ("read_check", "correct", 1, "check-h-1-1"), ("verify", "active", 2, "v-1"), ("verify", "not_active", 3, "v-2"),
        ("verify", "no_record", 4, "v-3"), ("verify", "active", 5, "v-4"),
    ]  # fmt: skip
    assert kept == [
        ("active", "manual", False), ("not_active", "manual", False), ("no_record", "manual", False),
        ("active", "manual", False),
    ]  # fmt: skip
