"""The standing repository: what goes there, what is taken back, and that nothing leaves when it is stopped (SHR-10, SHR-11)."""

import asyncio
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from alpr_cli.repository import Repository, server
from alpr_retention.sharing.store import Partners, Sent, repositories
from alprcore.calling import CalledSystem
from alprcore.model import Plate
from tests.fixtures.doors import Doors, make_read, utc_now
from tests.fixtures.keeping import keeping
from tests.fixtures.sharing import Sharing, Shelf

pytestmark = pytest.mark.asyncio
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)


async def switch(sharing, way, agency="escondido", **who):
    return await sharing.http.post(
        f"/v1/repositories/arjis/{way}",
        json={"reason": "as the instruction says"},
        headers=sharing.manager(agency, **who),
    )


async def state(sharing, agency="escondido"):
    found = await sharing.http.get("/v1/repositories", headers=sharing.manager(agency))
    return found.json()["repositories"]


def sent(shelf, kind="reads", *, taken=True):
    bodies = [json.loads(body) for _, _, body, got in shelf.messages if got or not taken]
    return [item for body in bodies if body["kind"] == kind for item in body["items"]]


@pytest.mark.requirement("SHR-10")
async def test_a_read_that_is_purged_here_is_taken_back_there_and_nothing_leaves_when_stopped(pg_database, tmp_path):
    (tmp_path / "secret").write_text("whsec_c2VjcmV0IG9mIHRoaXMgdGVzdCBydW4=\n")
    repository = Repository(("whsec_c2VjcmV0IG9mIHRoaXMgdGVzdCBydW4=",))
    http = server(0, repository)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{http.server_port}/batches"
    partners = Partners({"escondido": CalledSystem(url=url, secret_file=tmp_path / "secret")})
    try:
        async with Doors(pg_database, tmp_path) as doors:
            sharing = Sharing(doors, partners)
            early = make_read("7TST000", number=1, agency="escondido")
            await doors.keep(early)
            await sharing.repositories.turn(utc_now())
            assert repository.reads == {}, "nothing goes before somebody started it"
            assert (await switch(sharing, "start")).status_code == 201
            old = make_read("8TST001", number=2, agency="escondido", captured_at=LONG_AGO)
            young = make_read("8TST002", number=3, agency="escondido")
            others = [
                make_read("8TST003", number=n, agency=agency)
                for n, agency in enumerate(FIVE, 10)
                if agency != "escondido"
            ]
            await doors.keep(old, young, *others)
            await sharing.repositories.turn(utc_now())
            there = {key: item["owner_agency"] for key, item in repository.reads.items()}
            assert there == {("escondido", old.read_id): "escondido", ("escondido", young.read_id): "escondido"}
            (batch,) = (
                await sharing.http.get("/v1/repositories/arjis/batches", headers=sharing.manager("escondido"))
            ).json()["batches"]
            assert (batch["state"], batch["reads"], batch["attempts"]) == ("delivered", 2, 1)
            (told,) = await sharing.told("repository_reads_delivered", "escondido")
            assert (told.facts["reads"], told.facts["sha256"]) == ("2", batch["sha256"])

            # purged here: the withdrawal goes out and is recorded, although the flow is stopped meanwhile
            assert (await doors.purge())["outcome"] == "complete"
            assert (await switch(sharing, "stop", role="supervisor")).json()["on"] is False
            await doors.keep(make_read("8TST009", number=20, agency="escondido"))
            await sharing.repositories.turn(utc_now())
            assert set(repository.reads) == {("escondido", young.read_id)}
            assert repository.withdrawn == [{"read_id": old.read_id, "revision": 1, "reason": "purged"}]
            (withdrawal, _) = (
                await sharing.http.get("/v1/repositories/arjis/batches", headers=sharing.manager("escondido"))
            ).json()["batches"]
            assert (withdrawal["kind"], withdrawal["state"]) == ("withdrawals", "delivered")
            assert len(await sharing.told("repository_withdrawals_delivered", "escondido")) == 1
            (now,) = await state(sharing)
            assert (now["on"], now["held_there"], now["waiting"], now["withdrawing"]) == (False, 1, 0, 0)
            assert (await sharing.repositories.disclosed("escondido", old.read_id))[-1]["kind"] == "withdrawals"
            # what is kept of all this names no plate
            rows = await doors.sql("SELECT b::text || i::text AS all FROM retention.repository_batches AS b, "
                                   "retention.repository_items AS i")  # fmt: skip
            assert "TST" not in " ".join(row["all"] for row in rows)
    finally:
        await partners.close()
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.mark.requirement("SHR-10")
async def test_the_other_policies_have_no_repository_to_start(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors, Shelf(*FIVE))
        for number, agency in enumerate(FIVE):
            if agency == "escondido":
                continue
            answer = await switch(sharing, "start", agency)
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "REPOSITORY_NOT_PERMITTED")
            await doors.keep(make_read(number=number, agency=agency))
            assert await state(sharing, agency) == []
        await sharing.repositories.turn(utc_now())
        assert sharing.shelf.messages == []


async def test_corrections_lost_answers_and_a_stop_in_the_middle(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing, now = Sharing(doors), utc_now()
        shelf = sharing.shelf
        await switch(sharing, "start")
        read = make_read("8TST001", number=1, agency="escondido")
        await doors.keep(read)
        # the answer is lost: the batch waits and goes again under the same name, and nothing new is tried before
        shelf.answers = [Sent(taken=False, problem="no answer within 10 s")]
        await sharing.repositories.turn(now)
        await sharing.repositories.turn(now)
        assert len(shelf.messages) == 1
        await sharing.repositories.turn(now + timedelta(minutes=1))
        assert [name for _, name, _, _ in shelf.messages] == [shelf.messages[0][1]] * 2
        assert shelf.messages[0][2] == shelf.messages[1][2]
        # a correction takes the old text back before the new one goes
        await doors.keep(replace(read, revision=2, plate=Plate("9TST001")), replace(read, revision=2, retracted=True))
        await sharing.repositories.turn(now + timedelta(minutes=2))
        assert sent(shelf, "withdrawals") == [{"read_id": read.read_id, "revision": 1, "reason": "corrected"}]
        assert [item["plate"] for item in sent(shelf)] == ["8TST001", "9TST001"]
        # a read that is taken back entirely is withdrawn and does not come again
        await doors.keep(replace(read, revision=3, retracted=True))
        await sharing.repositories.turn(now + timedelta(minutes=3))
        assert [item["revision"] for item in sent(shelf, "withdrawals")] == [1, 2]
        assert len(sent(shelf)) == 2
        # whoever stops the flow waits for what is under way; what was made and had not left stays here
        stopping = []

        async def stop():
            stopping.append(asyncio.create_task(switch(sharing, "stop")))
            await asyncio.sleep(0.3)
            assert not stopping[0].done(), "the switch answers when the message under way has ended"

        await doors.keep(*(make_read("8TST001", number=n, agency="escondido") for n in range(10, 12)))
        shelf.meanwhile, shelf.answers = stop, [Sent(taken=False, problem="away")]
        await sharing.repositories.turn(now + timedelta(minutes=4))
        shelf.meanwhile = None
        assert (await stopping[0]).status_code == 201
        count = len(shelf.messages)
        await sharing.repositories.turn(now + timedelta(hours=4))
        assert len(shelf.messages) == count, "with the switch off no batch leaves"
        await switch(sharing, "start")
        await sharing.repositories.turn(now + timedelta(hours=5))
        assert len(sent(shelf)) == 4
        # a message that is wrong is not sent for ever, and a person sees it
        shelf.answers = [Sent(taken=False, problem="answered 422", final=True)]
        await doors.keep(make_read("8TST001", number=30, agency="escondido"))
        await sharing.repositories.turn(now + timedelta(hours=6))
        await sharing.repositories.turn(now + timedelta(hours=9))
        found = (await sharing.http.get("/v1/repositories/arjis/batches", headers=sharing.manager("escondido"))).json()[
            "batches"
        ]
        assert (found[0]["state"], found[0]["problem"]) == ("refused", "answered 422")
        assert len(sent(shelf)) == 4


async def test_what_was_made_and_purged_before_it_left_never_leaves(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing, now = Sharing(doors), utc_now()
        await switch(sharing, "start")
        old = make_read("8TST001", agency="escondido", captured_at=LONG_AGO)
        await doors.keep(old)
        sharing.shelf.answers = [Sent(taken=False, problem="away")]
        await sharing.repositories.turn(now)
        assert len(sent(sharing.shelf, taken=False)) == 1
        assert (await doors.purge())["outcome"] == "complete"
        await sharing.repositories.turn(now + timedelta(hours=1))
        assert sent(sharing.shelf) == [], "the second attempt has nothing to say"
        # it may have arrived all the same, so it is taken back
        assert [item["reason"] for item in sent(sharing.shelf, "withdrawals")] == ["purged"]


@pytest.mark.requirement("SHR-10")
async def test_what_a_change_of_period_brings_forward_is_taken_back_when_it_goes_and_not_on_its_first_day(
    pg_database, tmp_path, monkeypatch
):
    monkeypatch.setattr(repositories, "LOOKED_AT", 3)  # fewer than there are: every one of them is found
    async with Doors(pg_database, tmp_path) as doors:
        sharing, schedule = Sharing(doors), doors.parts.schedule
        await schedule.work()
        await switch(sharing, "start")
        old = [
            make_read("8TST001", number=n, agency="escondido", captured_at=utc_now() - timedelta(days=600 + n % 5))
            for n in range(7)
        ]
        young = make_read("8TST002", number=10, agency="escondido")
        await doors.keep(*old, young)
        await sharing.repositories.turn(utc_now())
        assert len(sent(sharing.shelf)) == 8
        first_days = {doors.due(read) for read in old}
        assert min(first_days) > (utc_now() + timedelta(days=90)).date()
        shorter = keeping(doors.profiles["escondido"], mobile="1 year", fixed="1 year")
        doors.parts.profiles["escondido"] = shorter
        await schedule.work()
        who = sharing.manager("escondido")
        (change,) = (await doors.shelf.get("/v1/retention/changes", headers=who)).json()["changes"]
        path = f"/v1/retention/changes/{change['change_id']}/approvals"
        assert (await doors.shelf.post(path, json={}, headers=who)).status_code == 201
        moving = utc_now() - timedelta(days=3)
        doors.clock = lambda: moving  # they are moved to that day, which has ended everywhere now
        await schedule.work()
        doors.clock = utc_now
        run = await doors.purge(agency="escondido")
        assert (run["outcome"], run["totals"]["reads"]) == ("complete", 7), run["errors"]
        told = {store["store"]: store["gone"] for store in run["stores"]}
        assert told["repositories"] == {"withdrawals": 7}, "the certificate says how many copies are taken back"
        await sharing.repositories.turn(utc_now())
        back = sent(sharing.shelf, "withdrawals")
        assert {item["read_id"] for item in back} == {read.read_id for read in old}
        assert {item["reason"] for item in back} == {"purged"}
        (there,) = await state(sharing)
        assert (there["held_there"], there["withdrawing"]) == (1, 0)


async def test_a_held_read_stays_there_as_it_stays_here(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing, now = Sharing(doors), utc_now()
        await switch(sharing, "start")
        old = make_read("8TST001", agency="escondido", captured_at=LONG_AGO)
        await doors.keep(old)
        await doors.sql(
            "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query)"
            " VALUES (gen_random_uuid(), 'escondido', 'linked_investigation', '26-1', 'p-1', now(), ARRAY[$1]::uuid[], false)",
            old.read_id,
        )
        await sharing.repositories.turn(now)
        await doors.purge()
        for hours in range(1, 4):
            await sharing.repositories.turn(now + timedelta(hours=hours))
        assert (len(sent(sharing.shelf)), sent(sharing.shelf, "withdrawals")) == (1, [])


async def test_the_agency_takes_everything_back_also_when_its_policy_names_no_repository_any_more(
    pg_database, tmp_path
):
    async with Doors(pg_database, tmp_path) as doors:
        sharing, now = Sharing(doors), utc_now()
        await switch(sharing, "start")
        reads = [make_read("8TST001", number=n, agency="escondido") for n in range(3)]
        await doors.keep(*reads)
        await sharing.repositories.turn(now)
        assert len(sent(sharing.shelf)) == 3
        running = await switch(sharing, "recall")
        assert (running.status_code, running.json()["reason_code"]) == (409, "STATE_CONFLICT")
        profile = doors.parts.profiles["escondido"]
        doors.parts.profiles["escondido"] = replace(profile, sharing=replace(profile.sharing, standing_adapter=""))
        await doors.keep(make_read("8TST001", number=9, agency="escondido"))
        await sharing.repositories.turn(now)
        assert len(sent(sharing.shelf)) == 3, "the policy in force names no repository: nothing goes"
        assert (await switch(sharing, "stop")).status_code == 201
        (there,) = await state(sharing)
        assert there["may"] == ["recall"]
        assert (await switch(sharing, "stop", "irvine")).status_code == 409
        assert (await switch(sharing, "recall", role="supervisor")).status_code == 403
        assert (await switch(sharing, "recall")).json() == {"adapter": "arjis", "recalled": 3}
        await sharing.repositories.turn(now)
        back = sent(sharing.shelf, "withdrawals")
        assert {item["read_id"] for item in back} == {read.read_id for read in reads}
        assert {item["reason"] for item in back} == {"recalled"}
        (there,) = await state(sharing)
        assert (there["held_there"], there["may"]) == (0, [])


@pytest.mark.requirement("SHR-11")
async def test_custodians_are_listed_and_their_people_are_scoped_and_audited_by_name(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)

        async def custodians(agency):
            answer = await sharing.http.get("/v1/custodians", headers=sharing.manager(agency))
            assert answer.status_code == 200, answer.text
            return answer.json()

        claremont = await custodians("claremont")
        assert {(one["name"], tuple(one["roles"]), one["since"]) for one in claremont["custodians"]} == {
            ("Claremont Police Department", ("owner", "custodian"), ""), ("Vigilant", ("custodian",), "2016")
        }  # fmt: skip
        await switch(sharing, "start")
        await doors.keep(make_read("8TST001", agency="escondido"))
        await sharing.repositories.turn(utc_now())
        escondido = await custodians("escondido")
        assert escondido["custodians"][0]["roles"] == ["owner", "custodian"], "control and ownership stay"
        assert [(one["holder"], one["reads"]) for one in escondido["copies"]] == [("ARJIS", 1)]
        for agency in FIVE:
            owners = [one["name"] for one in (await custodians(agency))["custodians"] if "owner" in one["roles"]]
            assert owners == [doors.profiles[agency].name]
        nosy = await sharing.http.get("/v1/custodians", headers=sharing.manager("claremont", role="officer"))
        assert nosy.status_code == 403
        # a person of the custodian is a user like others: its own agency's reads alone, each access with the organization
        read = make_read("8TST009", number=5, agency="claremont")
        await doors.keep(read)
        theirs = doors.person(agency="claremont", person_id="v-1", username="vuser", organization="Vigilant")
        answer = await doors.ask({"plate": "8TST009"}, person=theirs)
        assert [row["read_id"] for row in answer.json()["rows"]] == [read.read_id]
        assert (await doors.ask({"plate": "8TST001"}, person=theirs)).json()["rows"] == []
        rows = await doors.sql("SELECT DISTINCT organization FROM audit.access_events WHERE username = 'vuser'")
        assert [row["organization"] for row in rows] == ["Vigilant"]


async def test_a_message_without_our_signature_is_not_taken(tmp_path):
    repository = Repository(("whsec_c2VjcmV0",))
    http = server(0, repository)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    (tmp_path / "secret").write_text("whsec_c2VjcmV0Mg==\n")
    url = f"http://127.0.0.1:{http.server_port}/batches"
    partners = Partners({"escondido": CalledSystem(url=url, secret_file=tmp_path / "secret")})
    try:
        answer = await partners.send("escondido", "b-1", b"{}", utc_now())
        assert (answer.taken, answer.final, answer.problem) == (False, False, "answered 401")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url.replace("/batches", "/reads"))).json() == {"reads": [], "withdrawn": []}
    finally:
        await partners.close()
        http.shutdown()
        thread.join()
        http.server_close()


async def beginning_anew(doors, sharing):
    """Another process on another database, as far as the notes can tell; and a line that a crash left half."""
    sharing.repositories._recalled.clear()
    (place,) = (doors.folder / "image-keys/escondido").glob("sent-*")
    (place / "known").write_text("another")
    for file in place.glob("*.sent"):
        file.write_bytes(file.read_bytes() + b"half a line")


@pytest.mark.requirement("SHR-10", partial="after a restore; what goes there and comes back is in the tests above")
async def test_what_went_after_the_backup_is_known_again_and_taken_back(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        assert (await switch(sharing, "start")).status_code == 201
        kept, lost, back = (make_read(f"8TST00{number}", number=number, agency="escondido") for number in (1, 2, 3))
        await doors.keep(kept, lost, back)
        await sharing.repositories.turn(utc_now())
        assert len(sent(sharing.shelf)) == 3
        # a database from a backup: one read was sent after it, one is not there any more, one was never heard of
        await doors.sql("UPDATE retention.repository_items SET sent_revision = NULL WHERE read_id = $1", kept.read_id)
        gone = [lost.read_id, back.read_id]
        await doors.sql("DELETE FROM retention.repository_items WHERE read_id = ANY ($1)", gone)
        await doors.sql("DELETE FROM retention.reads WHERE read_id = $1", lost.read_id)
        await beginning_anew(doors, sharing)
        await sharing.repositories.turn(utc_now())
        items = await doors.sql("SELECT read_id, sent_revision FROM retention.repository_items")
        assert {str(row[0]): row[1] for row in items} == {one.read_id: 1 for one in (kept, lost, back)}
        assert sent(sharing.shelf, "withdrawals") == [], "the broker may still bring it again"
        await sharing.repositories.turn(utc_now() + timedelta(hours=26))
        assert [item["read_id"] for item in sent(sharing.shelf, "withdrawals")] == [lost.read_id]
        await beginning_anew(doors, sharing)
        await sharing.repositories.turn(utc_now() + timedelta(hours=27))
        assert len(sent(sharing.shelf, "withdrawals")) == 1, "what came back is noted, too"
        assert len(sent(sharing.shelf)) == 3
