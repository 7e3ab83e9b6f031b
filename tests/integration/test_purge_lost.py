"""Images of held reads that are lost: found, decided by two people, and said in hold, certificate, ledger and package."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from alpr_retention import metrics
from alprcore.errors import Transient
from tests.fixtures.doors import make_read
from tests.fixtures.packing import Packing

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)


def old_read(number=1, days=0):
    return make_read(f"8TST{number:03}", number=number, captured_at=LONG_AGO + timedelta(days=days))


async def damage(packing, image):
    """Alter an object of the store as a bad disk does; gives what lay there."""
    objects = packing.parts.images.objects
    sealed = await objects.get(image.key)
    await objects.put(image.key, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    return sealed


async def decide(packing, read, act, role="context", *, roles=("custodian",), person_id="p-c", **body):
    path = f"/v1/retention/damaged-images/{read.read_id}/{role}/{act}"
    auth = packing.auth(roles=roles, person_id=person_id, full_name=person_id.upper())
    answer = await packing.shelf.post(path, json=body, headers=auth)
    return answer.status_code, answer.json().get("reason_code", ""), answer.json()


async def damaged(packing, *roles):
    answer = await packing.shelf.get("/v1/retention/damaged-images", headers=packing.auth(roles=roles, person_id="p-x"))
    assert answer.status_code == 200, answer.text
    return {(row["read_id"], row["role"]): row for row in answer.json()["damaged"]}


def alarm():
    return metrics.DAMAGED.labels("demo")._value.get()


@pytest.mark.requirement("RET-07", "RET-15")
async def test_an_image_that_two_people_gave_up_lets_its_day_go_and_everything_says_so(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = [await packing.with_images(old_read(number)) for number in range(3)]
        free = await packing.with_images(old_read(9))
        await packing.keep(*reads, free)
        hold_id = await packing.hold([read.read_id for read in reads])
        lost, mended = reads[0], reads[1]
        await damage(packing, lost.context)
        kept = await damage(packing, mended.closeup)
        run = await packing.purge()
        # every damaged one is found by one run; the others have left the day, which stays whole
        assert (run["outcome"], run["errors"], run["totals"]["held"]) == ("incomplete", ["HELD_IMAGE_DAMAGED"], 1)
        rows = await damaged(packing, "auditor")
        assert {key: (row["state"], row["code"], row["may"]) for key, row in rows.items()} == {
            (lost.read_id, "context"): ("open", "SEAL_BROKEN", []),
            (mended.read_id, "closeup"): ("open", "SEAL_BROKEN", []),
        }
        assert alarm() == 2

        assert (await decide(packing, lost, "losses", roles=("investigator",)))[:2] == (403, "ROLE_NOT_AUTHORISED")
        assert (await decide(packing, reads[2], "losses"))[:2] == (404, "IMAGE_UNKNOWN")
        assert (await decide(packing, lost, "settlements", decision="confirm"))[:2] == (409, "STATE_CONFLICT")
        assert (await decide(packing, lost, "losses", note="looked in both copies of the store"))[0] == 201
        assert (await decide(packing, lost, "settlements", decision="confirm"))[:2] == (403, "SECOND_PERSON_REQUIRED")
        manager = {"roles": ("program_manager",), "person_id": "p-m"}
        denied = await decide(packing, lost, "settlements", decision="deny", note="ask the operator", **manager)
        assert (denied[0], denied[2]["state"]) == (201, "open")
        assert (await packing.purge())["errors"] == ["HELD_IMAGE_DAMAGED"]
        await decide(packing, lost, "losses", note="looked in all copies of the store")
        agreed = await decide(packing, lost, "settlements", decision="confirm", **manager)
        assert (agreed[0], agreed[2]["state"], agreed[2]["confirmed_by"]) == (201, "lost", "p-m")
        await packing.parts.images.objects.put(mended.closeup.key, kept)  # brought back from another copy

        run = await packing.purge()
        assert (run["outcome"], run["errors"], run["totals"]["reads"], run["totals"]["held"]) == ("complete", [], 1, 2)
        said = {"read_id": lost.read_id, "role": "context", "state": "lost", "code": "SEAL_BROKEN"}
        assert run["certificate"]["lost_images"] == [said]
        assert {key: row["state"] for key, row in (await damaged(packing, "custodian")).items()} == {
            (lost.read_id, "context"): "lost", (mended.read_id, "closeup"): "mended",
        }  # fmt: skip
        assert alarm() == 0
        stored = await packing.sql("SELECT images FROM retention.reads WHERE read_id = $1", lost.read_id)
        images = {image["role"]: image for image in json.loads(stored[0][0])}
        assert (images["context"]["key"], images["context"]["missing"], bool(images["closeup"]["key"])) == (
            "",
            True,
            True,
        )
        assert await packing.parts.images.objects.list(f"context/demo/{packing.due(lost)}") == []

        hold = await packing.shelf.get(f"/v1/holds/{hold_id}", headers=packing.auth())
        acts = [act["act"] for act in hold.json()["history"]]
        assert acts == [
            "placed", "held_image_damaged", "held_image_damaged", "image_loss_declared", "image_loss_denied",
            "image_loss_declared", "image_loss_confirmed", "held_image_lost", "held_image_mended",
        ]  # fmt: skip
        kinds = [event.kind for event in await packing.told() if "image" in event.kind]
        assert kinds == acts[1:]
        # the package has what is left, says what is not, and since when
        package_id = await packing.built(hold_id)
        (folder,) = await packing.unpacked(package_id, tmp_path / "out")
        place = next(folder.glob(f"reads/*{lost.read_id}"))
        assert {path.name for path in place.glob("*.jpg")} == {"closeup.jpg"}
        custody = json.loads((place / "custody.json").read_text())
        assert [step["what"] for step in custody if step["what"] in ("held", "image_lost")] == ["held", "image_lost"]
        notes = json.loads((folder / "manifest.json").read_text())["redactions"]
        assert [(one["what"], one["count"]) for one in notes if one["rule"] == "RET-12"] == [("image_missing", 1)]


async def test_a_held_image_that_is_gone_from_the_store_waits_for_two_people_as_well(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        read = await packing.with_images(old_read())
        await packing.keep(read)
        await packing.hold([read.read_id])
        await packing.parts.images.objects.delete(read.closeup.key)
        assert (await packing.purge())["errors"] == ["HELD_IMAGE_DAMAGED"]
        assert (await damaged(packing, "auditor"))[read.read_id, "closeup"]["code"] == "IMAGE_MISSING"
        assert packing.parts.images.keys.private("demo", packing.due(read).isoformat())
        await decide(packing, read, "losses", "closeup", note="in no copy of the store")
        manager = {"roles": ("program_manager",), "person_id": "p-m"}
        assert (await decide(packing, read, "settlements", "closeup", decision="confirm", **manager))[0] == 201
        run = await packing.purge()
        assert (run["outcome"], run["totals"]["held"]) == ("complete", 1)
        said = [(one["role"], one["state"], one["code"]) for one in run["certificate"]["lost_images"]]
        assert said == [("closeup", "lost", "IMAGE_MISSING")]
        assert (await packing.purge())["certificate"]["lost_images"] == []  # another run has nothing to do with it


async def test_no_purge_runs_on_another_store_than_the_one_before(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        read = await packing.with_images(old_read())
        await packing.keep(read)
        hold_id = await packing.hold([read.read_id])
        await packing.purge()
        other = await packing.with_images(old_read(2, days=3))
        await packing.keep(other)
        images, moved = tmp_path / "images", tmp_path / "mounted-elsewhere"
        images.rename(moved)
        images.mkdir()
        with pytest.raises(Transient, match="not the one"):
            await packing.purge()
        assert (await packing.sql("SELECT count(*) FROM retention.reads"))[0][0] == 2
        assert packing.parts.images.keys.private("demo", f"hold-{hold_id}")
        images.rmdir()
        moved.rename(images)
        assert (await packing.purge())["totals"]["reads"] == 1


@pytest.mark.requirement("RET-14", "RET-15")
async def test_a_run_with_nothing_due_is_certified_reported_and_asks_nobody_to_look(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path, retention={"purge_doors": "console,ingest"}) as packing:
        officer = packing.auth(roles=("retention_officer",))
        asked = await packing.shelf.post("/v1/purges", json={}, headers=officer)
        run = asked.json()
        assert (asked.status_code, run["state"], run["days"]) == (201, "complete", [])
        assert run["ledger_event"]
        assert run["certificate"]["profile_version"] == packing.profiles["demo"].version
        assert {store["store"]: store["state"] for store in run["stores"]}["console"] == "not_asked"
        entries = [event for event in await packing.told("purge") if event.agency == "demo"]
        assert [event.event_id for event in entries] == [run["ledger_event"]]
        assert entries[0].facts["certificate_sha256"] == run["certificate_sha256"]
        await packing.parts.schedule.report()
        assert await packing.parts.schedule.report() is None  # once, however often it is looked at
        manager = packing.auth(roles=("program_manager",))
        (report,) = (await packing.shelf.get("/v1/retention/reports", headers=manager)).json()["reports"]
        assert (report["run_id"], report["waits"], report["may"]) == (run["run_id"], False, [])
        sent = [event for event in await packing.told("destruction_report_sent") if event.agency == "demo"]
        assert len(sent) == 1
