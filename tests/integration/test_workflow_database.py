"""The database refuses illegal steps by itself, whoever writes them: SQL by hand, as the service's own role."""

import random

import asyncpg
import pytest
import pytest_asyncio

from alprcore.model import DeviceKind
from tests.fixtures.desk import desk
from tests.fixtures.hit_work import BASIS, REASON, HitWork
from tests.fixtures.postgres import _database

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOBILE, FIXED = DeviceKind.MOBILE, DeviceKind.FIXED


@pytest.fixture(scope="module")
def database(pg_admin_dsn, pg_template):
    with _database(pg_admin_dsn, "byhand", f"TEMPLATE {pg_template}") as (_, made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(database, tmp_path_factory):
    async with desk(database, tmp_path_factory.mktemp("byhand")) as made:
        yield HitWork(made)


INSERT = (
    "INSERT INTO console.hit_steps (step_id, agency, hit_id, work_id, step_no, step, kind, given, client_kind, roles,"
    " person_id, full_name, override_reason, overridden, profile_version, done_at, expires_at)"
    " VALUES ('by-hand-' || $1::text || $8, $2, $1, $1, $3, $4, $5, $6, $7, '{officer}', 'p', 'P', $9, '{}', $10,"
    " now(), now() + interval '1 year')"
)


async def by_hand(at_work, hit, step, kind="", given="{}", client="dispatch_console", reason="", version="", agency=""):
    """Write a step as the service's role does, past every rule of the service."""
    agency = agency or hit.read.agency
    version = version or at_work.made.policies[agency].version
    rows = await at_work.made.sql("SELECT count(*) AS n FROM console.hit_steps WHERE hit_id = $1", hit.hit_id)
    async with at_work.made.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('console.agency', $1, true)", agency)
        await connection.execute(
            INSERT, hit.hit_id, agency, rows[0]["n"] + 1, step, kind, given, client, step, reason, version
        )  # fmt: skip


STOP = '{"basis": null, "exigency": null}'
EXIGENT = '{"basis": null, "exigency": "officer_safety"}'
TAKEN = '{"outcome": "other", "occupied": "no", "recovered": false}'
HARD = [
    # agency, device, what was done before, the step, its kind, what is given, the client, the need that is missing
    ("claremont", FIXED, "", "broadcast", "initial", "{}", "dispatch_console", "read_check"),
    ("claremont", FIXED, "check", "verify", "active", "{}", "dispatch_console", "broadcast"),
    ("claremont", FIXED, "check air", "broadcast_result", "clets_result", "{}", "dispatch_console", "answer"),
    ("claremont", FIXED, "check air ask", "closure", "closed", "{}", "dispatch_console", "broadcast_result"),
    ("claremont", MOBILE, "check ask", "action", "traffic_stop", STOP, "vehicle", "visual_check"),
    ("claremont", MOBILE, "look", "action", "traffic_stop", EXIGENT, "vehicle", "verify"),
    ("escondido", MOBILE, "look", "action", "traffic_stop", STOP, "vehicle", "verify_or_exigency"),
    ("roseville", MOBILE, "look", "verify", "active", "{}", "vehicle", "broadcast"),
    ("roseville", FIXED, "check", "broadcast", "initial", "{}", "desktop", "verify"),
    ("roseville", FIXED, "check ask", "broadcast", "initial", "{}", "dispatch_console", "describe"),
    ("roseville", MOBILE, "look ask", "action", "traffic_stop", STOP, "vehicle", "basis"),
    ("roseville", FIXED, "check ask", "closure", "closed", "{}", "dispatch_console", "broadcast"),
    ("roseville", MOBILE, "look car ask", "closure", "closed", "{}", "vehicle", "broadcast_result"),
    ("roseville", FIXED, "check", "disposition", "other", TAKEN, "dispatch_console", "recovery_call"),
]


async def as_service(at_work, agency, statement, *values):
    """Run a statement as the service's role, speaking for an agency."""
    async with at_work.made.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('console.agency', $1, true)", agency)
        return await connection.execute(statement, *values)


async def prepared(at_work, agency, device, before):
    hit = await at_work.hit(agency, device)
    who, officer = at_work.person("dispatcher", agency), at_work.person("officer", agency, "vehicle")
    for done in before.split():
        if done == "check":
            await at_work.check(hit, who)
        elif done == "look":
            await at_work.check(hit, officer, method="visual_on_vehicle")
        elif done == "air":
            await at_work.broadcast(hit, who, agency)
        elif done == "car":
            await at_work.broadcast(hit, officer, agency, client="vehicle")
        elif done == "ask":
            await at_work.verify(hit, who, override_reason=REASON)
    return hit


@pytest.mark.requirement("CFG-03", partial="hard and soft gates of the work on hits, in the database")
@pytest.mark.parametrize(("agency", "device", "before", "step", "kind", "given", "client", "need"), HARD)
async def test_a_hard_need_is_refused_even_with_a_reason(
    at_work, agency, device, before, step, kind, given, client, need
):
    hit = await prepared(at_work, agency, device, before)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await by_hand(at_work, hit, step, kind, given, client, REASON)
    assert refused.value.constraint_name == need
    assert hit.read.plate.reveal() not in str(refused.value)


@pytest.mark.parametrize("reason", ["", "ok"])
async def test_a_soft_need_takes_a_reason_of_the_database_too(at_work, reason):
    hit = await prepared(at_work, "irvine", FIXED, "")
    with pytest.raises(asyncpg.CheckViolationError):
        await by_hand(at_work, hit, "verify", "active", reason=reason)
    await by_hand(at_work, hit, "verify", "active", reason=REASON)


@pytest.mark.parametrize(("result", "need"), [("misread", "not_misread"), ("wrong_state", "not_wrong_state")])
async def test_nothing_is_done_on_what_is_no_hit(at_work, result, need):
    hit, who = await at_work.hit("irvine"), at_work.person("dispatcher", "irvine")
    await at_work.check(hit, who, result, state="unknown")
    for step, kind in (("broadcast", "initial"), ("verify", "active"), ("action", "other")):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await by_hand(at_work, hit, step, kind, reason=REASON)
        assert refused.value.constraint_name == need
    await by_hand(at_work, hit, "closure", "closed")
    for step in ("closure", "disposition", "broadcast"):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
            await by_hand(at_work, hit, step, reason=REASON)


async def test_the_policy_in_force_binds_and_no_other(at_work):
    hit = await at_work.hit("westminster")
    for changes in ({"version": "westminster@0"}, {"version": at_work.made.policies["irvine"].version}):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await by_hand(at_work, hit, "read_check", "correct", **changes)
        assert refused.value.constraint_name == "profile_in_force"
    before = at_work.made.policies["westminster"].version
    await at_work.made.put_in_force("westminster", {"gates.read_check": "hard"})
    with pytest.raises(asyncpg.CheckViolationError):
        await by_hand(at_work, hit, "read_check", "correct", version=before)  # the version before binds nobody any more
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await by_hand(at_work, hit, "verify", "active", reason=REASON)
    assert refused.value.constraint_name == "read_check"


async def test_another_agencys_hit_is_out_of_reach(at_work):
    hit = await at_work.hit("irvine")
    with pytest.raises(asyncpg.PostgresError):
        await by_hand(at_work, hit, "read_check", "correct", agency="claremont")  # not theirs: there is no such hit
    async with at_work.made.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('console.agency', 'claremont', true)")
        assert await connection.fetch("SELECT 1 FROM console.hit_steps WHERE agency = 'irvine'") == []


async def test_what_was_done_is_neither_changed_nor_removed(at_work):
    hit = await prepared(at_work, "irvine", FIXED, "check ask")
    for statement in (
        "UPDATE console.hit_steps SET kind = 'active'", "UPDATE console.call_states SET state = 'ended'",
        "UPDATE console.step_needs SET needs = '[]'", "DELETE FROM console.step_needs",
        "UPDATE console.step_editions SET edition = ''", "UPDATE console.tasks SET kind = 'call'",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await at_work.made.pool.execute(statement)
    removed = await as_service(at_work, "irvine", "DELETE FROM console.hit_steps WHERE hit_id = $1", hit.hit_id)
    assert removed == "DELETE 0"  # the purge alone, which speaks for all agencies


async def test_a_duty_to_confirm_ends_with_a_verification_only(at_work):
    hit, officer = await at_work.hit("escondido", MOBILE), at_work.person("officer", "escondido", "vehicle")
    await at_work.act(
        hit, officer, exigency="officer_safety", narrative="the driver reached for something", override_reason=REASON
    )
    statement = "UPDATE console.tasks SET closed_at = now() WHERE hit_id = $1 AND kind = 'confirm_after'"
    with pytest.raises(asyncpg.CheckViolationError):
        await as_service(at_work, "escondido", statement, hit.hit_id)


async def test_a_call_is_confirmed_by_a_verification_of_the_same_work(at_work):
    who = at_work.person("dispatcher", "roseville")
    hit, other = [await prepared(at_work, "roseville", FIXED, "check ask") for _ in range(2)]
    entered = await at_work.post(hit, "calls", who, {"call_type": "stolen_vehicle", "direction_of_travel": "north",
                                                     "vehicle_description": "White pickup"})  # fmt: skip
    foreign = (await at_work.work(other, who))["verifications"][0]["verification_id"]
    statement = (
        "INSERT INTO console.call_states (call_id, state_no, agency, state, verification_id, person_id, full_name, set_at)"
        " VALUES ($1, 1, 'roseville', 'confirmed', $2, 'p', 'P', now())"
    )
    for attached in (None, foreign, entered["call_id"]):
        with pytest.raises(asyncpg.CheckViolationError):
            await as_service(at_work, "roseville", statement, entered["call_id"], attached)


async def test_the_database_takes_every_step_that_the_rules_pass(at_work):
    """No rule is loosened by the database's copy of it: what the rules pass is written, under every policy."""
    bodies = [
        ("read-check", {"result": "correct", "method": "visual_on_vehicle", "state_confirmed": "match"}),
        ("read-check", {"result": "correct", "method": "image_review", "state_confirmed": "mismatch"}),
        ("verifications", {"source": "CLETS", "route": "dispatch", "result": "active"}),
        ("verifications", {"source": "CLETS", "route": "dispatch", "result": "no_record"}),
        ("verifications", {"source": "CLETS", "route": "dispatch", "result": "error"}),
        ("calls", {"call_type": "stolen_vehicle", "vehicle_description": "van", "direction_of_travel": "north"}),
        ("nature-review", {"nature": "stolen_vehicle"}),
        ("actions", {"type": "traffic_stop", "independent_basis": BASIS}),
        ("actions", {"type": "other", "exigency": "officer_safety", "narrative": "driver reached for something"}),
        ("disposition", {"outcome": "stopped", "occupied": "yes"}),
        ("closure", {}),
    ]
    chance, taken = random.Random(8), 0
    for agency in ("irvine", "claremont", "escondido", "roseville"):
        people = [at_work.person("dispatcher", agency), at_work.person("officer", agency, "vehicle"),
                  at_work.person("officer", agency, "desktop")]  # fmt: skip
        airs = [("broadcasts", at_work.broadcast_body(agency)),
                ("broadcasts", at_work.broadcast_body(agency, "clets_result"))]  # fmt: skip
        for device in (FIXED, MOBILE):
            hit = await at_work.hit(agency, device)
            for _ in range(25):
                step, body = chance.choice([*bodies, *airs])
                given = body if step == "disposition" or chance.random() < 0.4 else {**body, "override_reason": REASON}
                at_work.made.later(seconds=1)
                answer = await at_work.made.http.post(
                    f"/v1/hits/{hit.hit_id}/{step}", headers=chance.choice(people), json=given
                )
                assert answer.status_code in (201, 403, 409, 422), answer.text
                assert answer.json().get("reason_code") != "STEP_REFUSED", (agency, step, given)
                taken += answer.status_code == 201
    assert taken > 40


async def test_a_duty_to_confirm_outlives_the_policy_that_knew_its_reason(at_work):
    hit, officer = await at_work.hit("escondido", MOBILE), at_work.person("officer", "escondido", "vehicle")
    await at_work.act(
        hit, officer, exigency="officer_safety", narrative="the driver reached for something", override_reason=REASON
    )
    await at_work.made.put_in_force("escondido", {"hits.exigencies": []})
    await at_work.check(hit, officer)
    open_ones = "SELECT kind FROM console.tasks WHERE hit_id = $1 AND kind = 'confirm_after' AND closed_at IS NULL"
    assert len(await at_work.made.sql(open_ones, hit.hit_id)) == 1
    await at_work.verify(hit, officer, route="mobile_terminal")
    assert await at_work.made.sql(open_ones, hit.hit_id) == []
