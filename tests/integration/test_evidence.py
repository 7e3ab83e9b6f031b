"""Evidence leaves as a package that a stranger can verify, once, witnessed, booked, and only with its ledger entry."""

import asyncio
import csv
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli.main import main as alpr
from alpr_retention.evidence import rules
from alpr_retention.evidence.store import Unmoved
from alprcore.errors import InvalidMessage
from alprcore.evidence import Kind
from tests.fixtures.doors import JPEG, make_hit, make_read, utc_now
from tests.fixtures.keeping import scheduled
from tests.fixtures.packing import Packing, small, stranger
from tests.fixtures.releases import AGENCIES, Desk

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)
WORDS = "NIC/V123456789 STOLEN 8TST000"


async def stored(packing, count=3, *, agency="demo", size=0, **changes):
    """Reads with images and hits, as they come from the topics."""
    reads = []
    for number in range(count):
        picture = JPEG + number.to_bytes(2, "big") + bytes(size)
        read = make_read(f"8TST{number:03}", number=number, agency=agency, **changes)
        reads.append(await packing.with_images(read, picture))
    await packing.keep(*reads, hits=[make_hit(read) for read in reads])
    return reads


def ids(reads):
    return [read.read_id for read in reads]


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def judge(*folders, **options):
    """Run the command; its exit status."""
    given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return alpr(["evidence", "verify", *map(str, folders), *given])


def refused(answer):
    return answer.status_code, answer.json()["reason_code"]


@pytest.mark.requirement("RET-12")
async def test_a_held_set_is_exported_whole_and_stays_open_until_it_is_booked(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        for agency in AGENCIES:
            packing.parts.profiles[agency] = scheduled(packing.profiles[agency], "1 year")
            reads = await stored(packing, 2, agency=agency, captured_at=LONG_AGO)
            hold_id = await packing.hold(ids(reads), agency=agency)
            package_id = await packing.built(hold_id, agency=agency)
            waiting = await packing.state(package_id, agency=agency)
            assert (waiting["state"], waiting["missing"]) == (
                "ready",
                ["volumes", "serial", "witness", "booking_number"],
            )
            (folder,) = await packing.unpacked(package_id, tmp_path / agency, agency=agency)
            # the hashes of the manifest are those of the images as they are stored
            said = {one["name"]: one["sha256"] for one in manifest(folder)["files"]}
            stored_images = await packing.sql("SELECT read_id, images FROM retention.reads WHERE agency = $1", agency)
            found = 0
            for row in stored_images:
                for image in json.loads(row["images"]):
                    plain = await packing.parts.images.open(agency, image)
                    (name,) = (name for name in said if str(row["read_id"]) in name and f"{image['role']}.jpg" in name)
                    assert said[name] == hashlib.sha256(plain).hexdigest()
                    found += 1
            assert found == 4
            # open: without a number, and without what else is missing
            assert refused(await packing.do(package_id, "bookings", agency=agency)) == (422, "FIELD_INVALID")
            early = await packing.do(package_id, "bookings", agency=agency, booking_number="26-E-1")
            assert refused(early) == (409, "EXPORT_INCOMPLETE")
            assert (await packing.state(package_id, agency=agency))["state"] == "given"
            await packing.purge(agency=agency)
            assert await left(packing, agency) == 2
            closed = await packing.booked(package_id, agency=agency)
            assert (closed.json()["state"], closed.json()["booking_number"]) == ("closed", "26-E-1")
            # then the server's copy may go, where the policy says so
            await packing.purge(agency=agency)
            goes = packing.profiles[agency].retention.purge_after_booking
            assert (agency, await left(packing, agency)) == (agency, 0 if goes else 2)
            (entry,) = [one for one in await packing.told("evidence_booked") if one.agency == agency]
            assert entry.facts["hold_id"] == hold_id
            assert entry.personal["booking_number"] == "26-E-1"


async def left(packing, agency):
    return (await packing.sql("SELECT count(*) FROM retention.reads WHERE agency = $1", agency))[0][0]


@pytest.mark.requirement("AUD-04", partial="exports; releases and holds are linked by their own features")
async def test_a_court_verifies_a_package_with_two_ordinary_commands(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing)
        query_id = (await packing.ask({"plate": "8TST000"})).json()["query_id"]
        wish = {"read_id": reads[0].read_id, "role": "context", "query_id": query_id}
        viewed = (await packing.http.post("/v1/image-views", json=wish, headers=packing.auth())).json()["entry"]
        package_id = await packing.built(await packing.hold(ids(reads)), witness="Sam Roe", serial="DVD-1")
        key = (await packing.shelf.get("/v1/evidence-key", headers=packing.auth())).json()
        verifier = packing.audit.writer.verifier
        (folder,) = await packing.unpacked(package_id, tmp_path / "court")
        # and the read's own trail shows that it was exported
        auditor = packing.auth(roles=("auditor",))
        answer = await packing.http.get(f"/v1/audit/trail?read_id={reads[1].read_id}", headers=auditor)
        assert [one["kind"] for one in answer.json()["events"]] == ["export", "export_result"]
    public = tmp_path / "public.pem"
    public.write_text(key["pem"])
    # what the printed instructions say, word for word, by somebody who has nothing of ours
    printed = (folder / "README.txt").read_text()
    signed = ("openssl", "dgst", "-sha256", "-verify", "public-key.pem", "-signature", "SHA256SUMS.sig", "SHA256SUMS")
    summed = ("sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS")
    for command in (signed, summed):
        assert " ".join(command) in printed
    done = stranger(*signed, folder=folder)
    assert (done.returncode, done.stdout) == (0, "Verified OK\n")
    done = stranger(*summed, folder=folder)
    assert (done.returncode, done.stdout) == (0, "")
    counted = stranger("sh", "-c", "find . -type f | wc -l; wc -l < SHA256SUMS", folder=folder).stdout.split()
    assert int(counted[0]) == int(counted[1]) + 2
    fingerprint = "openssl pkey -pubin -in public-key.pem -outform DER | openssl dgst -sha256"
    assert fingerprint in printed
    assert key["sha256"] in stranger("sh", "-c", fingerprint, folder=folder).stdout
    assert key["sha256"] in printed
    assert judge(folder, key=public, ledger_key=verifier) == 0
    # and what a court asks: the read with its scores and models, the list's version, who had it in hand
    first = next(one for one in manifest(folder)["reads"] if one["read_id"] == reads[0].read_id)
    place = folder / first["folder"]
    read = json.loads((place / "read.json").read_text())
    assert (read["plate"], read["reader"]["sha256"]) == ("8TST000", "00" * 32)
    assert read["characters"]
    (hit,) = json.loads((place / "hits.json").read_text())["hits"]
    assert (hit["list_code"], hit["list_version"]) == ("SVS", 1)
    assert "entry_sealed" not in hit
    assert (place / "context.jpg").read_bytes() == JPEG + b"\0\0"
    custody = json.loads((place / "custody.json").read_text())
    assert [step["what"] for step in custody][:1] == ["captured"]
    (opened,) = [step for step in custody if step["what"] == "image_view"]
    assert (opened["by"], opened["ledger_entry"]) == ("Jane Doe", viewed)
    assert (folder / opened["proof"]).is_file()
    assert custody[-1]["what"] == "packed"
    rows = list(csv.reader((folder / "reads.csv").open(newline="")))
    assert [row[2] for row in rows[1:]] == ["8TST000", "8TST001", "8TST002"]
    cover = (folder / "COVER.txt").read_text()
    for words in ("CONFIDENTIAL", "26-77", "Jane Doe", "Sam Roe"):
        assert words in cover
    # whatever is changed shows, to the stranger and to the command
    image, was = place / "context.jpg", (place / "context.jpg").read_bytes()
    image.chmod(0o644)
    image.write_bytes(was[:-1] + b"x")
    assert stranger(*summed, folder=folder).returncode != 0
    assert judge(folder, key=public) == 30
    image.write_bytes(was)
    (folder / "more.txt").write_text("slipped in")
    assert judge(folder, key=public) == 30
    (folder / "more.txt").unlink()
    (place / "closeup.jpg").rename(tmp_path / "closeup.jpg")
    assert judge(folder, key=public) == 30
    (tmp_path / "closeup.jpg").rename(place / "closeup.jpg")
    assert judge(folder, key=public) == 0
    sums = folder / "SHA256SUMS"
    sums.chmod(0o644)
    sums.write_text(sums.read_text().replace(hashlib.sha256(was).hexdigest(), "00" * 32))
    assert stranger(*signed, folder=folder).returncode != 0
    assert judge(folder, key=public) == 40
    assert judge(folder, fingerprint="00" * 32) == 40
    assert judge(tmp_path / "nothing", key=public) == 40


async def test_nothing_is_gathered_without_its_entry_in_the_ledger(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing, 1)
        hold_id, other = await packing.hold(ids(reads)), await packing.hold(ids(reads))
        body = {"hold_id": hold_id, "medium": "dvd", "justification": "for the court"}

        async def intent(subject, **changes):
            wish = {"kind": "hold", "subject": subject, "justification": "for the court", **changes}
            answer = await packing.http.post("/v1/package-intents", json=wish, headers=packing.auth())
            assert answer.status_code == 201, answer.text
            return answer.json()["entry"]

        async def begin(entry, **changes):
            who = packing.auth(**changes.pop("who", {}))
            return await packing.shelf.post(
                "/v1/evidence-exports", json={**body, **changes, "entry": entry}, headers=who
            )

        query = (await packing.ask({"plate": "8TST000"})).json()["query_id"]
        assert refused(await begin(10_000)) == (403, "LEDGER_ENTRY_MISSING")
        assert refused(await begin(query)) == (403, "LEDGER_ENTRY_MISSING")
        assert refused(await begin(await intent(other))) == (403, "SUBJECT_DIFFERS")
        assert refused(await begin(await intent(hold_id), who={"person_id": "p-2"})) == (403, "LEDGER_ENTRY_MISSING")
        assert refused(await begin(await intent(hold_id), who={"agency": "irvine"})) == (404, "HOLD_UNKNOWN")
        granted = {"grants": ("clets",)}
        await packing.authorize(hold_id)
        asked = await begin(await intent(hold_id), who=granted, clets=True)
        assert refused(asked) == (403, "SUBJECT_DIFFERS")  # the intent did not say so
        assert await packing.sql("SELECT FROM retention.packages") == []
        entry = await intent(hold_id)
        assert (await begin(entry)).status_code == 202
        assert refused(await begin(entry)) == (403, "LEDGER_ENTRY_USED")
        assert refused(await begin(await intent(hold_id), who={"roles": ("officer",)})) == (403, "ROLE_NOT_AUTHORISED")
        wish = {"kind": "hold", "subject": hold_id, "justification": "for the court"}
        answer = await packing.http.post("/v1/package-intents", json=wish, headers=packing.auth(roles=("officer",)))
        assert refused(answer) == (403, "ROLE_NOT_AUTHORISED")  # nor learn in this way who looked
        late = await intent(hold_id)
        await packing.sql("UPDATE audit.intents SET committed_at = committed_at - interval '31 s' WHERE idx = $1", late)
        assert refused(await begin(late)) == (403, "LEDGER_ENTRY_STALE")
        (read,) = reads
        trail = {"entry": query, "reads": {read.read_id: read.captured_at.isoformat()}}
        answer = await packing.http.post("/v1/package-trails", json=trail, headers=packing.auth())
        assert refused(answer) == (403, "PACKAGE_UNKNOWN")
        entries = await packing.log("export")
        assert entries[0]["personal"]["criteria"] == {"hold_id": other}
        assert {one["personal"]["reasons"]["purpose_code"] for one in entries} == {"evidence"}


async def test_a_volume_is_handed_out_once_and_then_nothing_is_left_of_it(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing, 2)
        package_id = await packing.built(await packing.hold(ids(reads)))
        objects, keys = packing.parts.images.objects, tmp_path / "image-keys" / "packages" / "demo"
        copies = await objects.list("packages")
        assert copies
        for name in copies:  # sealed, whatever lies there
            content = await objects.get(name)
            assert b"8TST000" not in content
            assert JPEG not in content
        assert (keys / f"{package_id}.key").is_file()
        for person, code in (({"agency": "irvine"}, 404), ({"roles": ("dispatcher",)}, 403)):
            answer = await packing.take(package_id, person=packing.person(**person))
            assert answer.status_code == code
        assert refused(await packing.take(package_id, 2)) == (404, "VOLUME_UNKNOWN")
        # one that breaks off may be taken again; two at once may not
        volume = await packing.packages.begin_taking(packing.person(), package_id, 1, began := utc_now())
        assert refused(await packing.take(package_id)) == (409, "VOLUME_TAKEN")
        await packing.packages.stop_taking(packing.person(), package_id, 1, began)
        answer = await packing.take(package_id)
        assert hashlib.sha256(answer.content).hexdigest() == volume["sha256"]
        assert answer.headers["etag"] == f'"{volume["sha256"]}"'
        assert answer.headers["content-length"] == str(len(answer.content))
        assert (await packing.state(package_id))["state"] == "given"
        assert refused(await packing.take(package_id)) == (409, "VOLUME_TAKEN")
        assert await objects.list("packages") == []
        assert not (keys / f"{package_id}.key").exists()
        told = [one.facts["volume"] for one in await packing.told("evidence_taken")]
        assert told == ["1", "1"]


async def test_volumes_are_filled_to_the_medium_and_hang_together(pg_database, tmp_path, capsys):
    async with Packing(pg_database, tmp_path) as packing:
        packing.builder.capacities = small(dvd=150_000)
        reads = await stored(packing, 5, size=9_000)
        status, content = await packing.begin(await packing.hold(ids(reads)))
        other = replace(packing.builder)  # two workers build a package once
        built = await asyncio.gather(packing.builder.work(), other.work(), packing.builder.work())
        assert (status, sum(built), len(await packing.told("package_built"))) == (202, 1, 1)
        package_id = content["package_id"]
        state = await packing.state(package_id)
        folders = await packing.unpacked(package_id, tmp_path / "court")
        assert len(folders) == len(state["volumes"]) == 3
        packed = [one["read_id"] for folder in folders for one in manifest(folder)["reads"]]
        assert packed == ids(sorted(reads, key=lambda read: (read.captured_at, read.read_id)))
        for folder, volume in zip(folders, state["volumes"], strict=True):
            assert volume["bytes"] < 150_000
            assert stranger("sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS", folder=folder).returncode == 0
        assert judge(*folders) == 0
        assert judge(*reversed(folders)) == 0
        assert judge(folders[0], folders[2]) == 30
        assert judge(*folders[:2]) == 30
        assert "2 is the number of a volume that is missing" in capsys.readouterr().err
        assert alpr(["evidence", "verify", str(folders[1]), "--some"]) == 0
        # closed only when each disc has its serial number
        await packing.do(package_id, "media", medium="dvd", witness="Sam Roe", serials={"1": "A", "2": "B"})
        answer = await packing.do(package_id, "bookings", booking_number="26-E-1")
        assert answer.json()["detail"] == "not before it has: serial"
        answer = await packing.do(package_id, "media", medium="dvd", witness="Sam Roe", serials={"4": "D"})
        assert refused(answer) == (422, "FIELD_INVALID")
        answer = await packing.do(package_id, "media", medium="dvd", witness="Jane Doe")
        assert refused(answer) == (422, "WITNESS_IS_EXPORTER")
        assert (await packing.booked(package_id)).json()["state"] == "closed"


@pytest.mark.requirement("SEC-06")
async def test_clets_text_is_left_out_with_a_note_unless_it_was_authorized_by_itself(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        for agency in AGENCIES:
            (read,) = await stored(packing, 1, agency=agency)
            hit = make_hit(read)
            packing.verifications = [
                {"hit_id": hit.hit_id, "source": "CLETS", "result": "confirmed", "verified_at": utc_now().isoformat(),
                 "verified_by": "Ann Lee", "has_text": True, "text": WORDS}
            ]  # fmt: skip
            desk = Desk(packing, agency)
            request_id = await desk.approved(read)
            who = packing.person(agency=agency, person_id=f"{agency}-investigator")
            release = await packing.built(
                request_id,
                kind="release",
                person=who,
                agency=agency,
                recipient_person="Ada Elm",
                method="portable_media",
            )
            hold_id = await packing.hold([read.read_id], agency=agency)
            granted = packing.person(agency=agency, grants=("clets",))
            status, content = await packing.begin(hold_id, person=granted, agency=agency, clets=True)
            assert (status, content["reason_code"]) == (403, "CLETS_NOT_AUTHORIZED")  # nobody has yet
            await packing.authorize(hold_id, agency=agency)
            without = await packing.built(hold_id, agency=agency)
            with_it = await packing.built(hold_id, person=granted, agency=agency, clets=True)
            for package_id, there in ((release, False), (without, False), (with_it, True)):
                (folder,) = await packing.unpacked(package_id, tmp_path / agency, agency=agency)
                everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
                assert (WORDS.encode() in everything) is there
                rules_noted = {one["rule"] for one in manifest(folder)["redactions"]}
                assert ("SEC-06" in rules_noted) is not there
                assert ("SEC-06" in (folder / "COVER.txt").read_text()) is not there
                # a recipient is not told who else looked
                assert ("AUD-04" in rules_noted) is (package_id == release)
            # for one package of that hold, by somebody else, through a person with the grant
            status, content = await packing.begin(hold_id, person=granted, agency=agency, clets=True)
            assert (status, content["reason_code"]) == (403, "CLETS_NOT_AUTHORIZED")
            await packing.authorize(hold_id, agency=agency, person_id="p-1")
            for person in (granted, packing.person(agency=agency, person_id="p-3")):
                status, content = await packing.begin(hold_id, person=person, agency=agency, clets=True)
                assert (status, content["reason_code"]) == (403, "CLETS_NOT_AUTHORIZED")
            opened = [one for one in await packing.told("package_opened") if one.agency == agency]
            assert [one.facts["clets"] for one in opened] == ["false", "false", "true"]


async def test_what_is_not_taken_given_up_or_without_papers_goes(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing, 1)
        hold_id = await packing.hold(ids(reads))
        late, given_up = await packing.built(hold_id), await packing.built(hold_id)
        wish = {"kind": "hold", "subject": hold_id, "justification": "for the court"}
        entry = (await packing.http.post("/v1/package-intents", json=wish, headers=packing.auth())).json()["entry"]
        body = {"hold_id": hold_id, "medium": "dvd", "justification": "for the court", "entry": entry}
        bare = (await packing.shelf.post("/v1/evidence-exports", json=body, headers=packing.auth())).json()[
            "package_id"
        ]
        assert (await packing.do(given_up, "cancellations", reason="wrong hold")).json()["state"] == "cancelled"
        assert refused(await packing.do(given_up, "cancellations", reason="again")) == (409, "PACKAGE_CLOSED")
        assert refused(await packing.take(given_up)) == (410, "PACKAGE_GONE")
        await packing.packages.tidy(utc_now() + rules.PAPERS_WITHIN + timedelta(seconds=1))
        state = await packing.state(bare)
        assert (state["state"], state["problem"]) == ("broken", "PAPERS_MISSING")
        assert (await packing.state(late))["state"] == "ready"
        await packing.packages.tidy(utc_now() + rules.KEPT_FOR + timedelta(seconds=1))
        assert (await packing.state(late))["state"] == "expired"
        assert await packing.parts.images.objects.list("packages") == []
        assert list((tmp_path / "image-keys" / "packages").rglob("*.key")) == []
        listed = (await packing.shelf.get(f"/v1/evidence-exports?hold_id={hold_id}", headers=packing.auth())).json()
        assert [one["state"] for one in listed["exports"]] == ["broken", "cancelled", "expired"]
        # given up while it is built: nothing of it stays
        status, content = await packing.begin(hold_id)
        assert status == 202
        images = packing.builder.images

        class Interrupted:
            async def open(self, agency, image):
                await packing.do(content["package_id"], "cancellations", reason="wrong hold")
                return await images.open(agency, image)

        packing.builder.images = Interrupted()
        assert await packing.builder.work() == 0
        assert (await packing.state(content["package_id"]))["state"] == "cancelled"
        assert await packing.parts.images.objects.list("packages") == []
        # the hold binds, whatever became of its exports
        assert (await packing.sql("SELECT count(*) FROM retention.holds WHERE released_at IS NULL"))[0][0] == 1


async def test_a_purge_takes_working_copies_with_their_reads_and_leaves_those_of_held_ones(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing, 4, captured_at=LONG_AGO)
        ended, held = await packing.hold(ids(reads[:1])), await packing.hold(ids(reads[1:2]))
        desk, who = Desk(packing, "demo"), packing.person(person_id="demo-investigator")
        hand = {"kind": "release", "person": who, "recipient_person": "Ada Elm", "method": "portable_media"}
        gone = [await packing.built(ended), await packing.built(await desk.approved(reads[2]), **hand)]
        kept = [await packing.built(held), await packing.built(await desk.approved(reads[1]), **hand)]
        await packing.sql("UPDATE retention.holds SET state = 'ended', released_at = now() WHERE hold_id = $1", ended)
        assert (await packing.purge())["outcome"] == "complete"
        for package_id in gone:
            state = await packing.state(package_id)
            assert (state["state"], state["problem"]) == ("expired", "PURGED")
        assert {name.split("/")[2] for name in await packing.parts.images.objects.list("packages")} == set(kept)
        for package_id in kept:  # the very bytes of the read, though a purge has moved and sealed them anew meanwhile
            (folder,) = await packing.unpacked(package_id, tmp_path / "court")
            assert judge(folder) == 0
        # built of a read that a hold had moved, and the hold ended: gone with the read, and refused even before
        late = await packing.built(held)
        await packing.sql("UPDATE retention.holds SET state = 'ended', released_at = now() WHERE hold_id = $1", held)
        await packing.sql("DELETE FROM retention.reads WHERE read_id = $1", reads[1].read_id)
        assert refused(await packing.take(late)) == (410, "PACKAGE_GONE")
        assert (await packing.purge())["outcome"] == "complete"
        state = await packing.state(late)
        assert (state["state"], state["problem"]) == ("expired", "PURGED")
        assert await packing.parts.images.objects.list("packages") == []


class Told(Unmoved):
    """Notes what it is told of a package that ended."""

    async def broken(self, *said):
        self.said = said


async def test_what_had_begun_to_leave_when_a_package_ended_is_told_by_read(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        packing.builder.capacities = small(dvd=150_000)
        reads = await stored(packing, 5, size=9_000)
        hold_id = await packing.hold(ids(reads))
        told = packing.packages.subjects[Kind.HOLD] = Told()
        taken, broken_off, never = [await packing.built(hold_id) for _ in range(3)]
        (first, *_) = await packing.unpacked_some(taken, tmp_path / "court", [1])
        person = packing.person()
        await packing.packages.begin_taking(person, broken_off, 1, began := utc_now())
        await packing.packages.stop_taking(person, broken_off, 1, began)
        for package_id, gone in ((taken, True), (broken_off, True), (never, False)):
            assert (await packing.do(package_id, "cancellations", reason="wrong hold")).status_code == 200
            *_, handed, taker = told.said
            assert [item.read_id for item in handed] == (
                [one["read_id"] for one in manifest(first)["reads"]] if gone else []
            )
            assert (taker[:2] if taker else None) == (("p-1", "Jane Doe") if gone else None)
            assert all(item.record_sha256 and item.images for item in handed)


async def test_an_export_of_held_reads_goes_when_their_hold_has_ended_and_they_are_purged(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing, 2, captured_at=LONG_AGO)
        hold_id = await packing.hold(ids(reads))
        await packing.purge()  # moves them out of their day
        package_id = await packing.built(hold_id)
        await packing.sql("UPDATE retention.holds SET state = 'ended', released_at = now() WHERE hold_id = $1", hold_id)
        assert (await packing.purge())["outcome"] == "complete"
        assert await left(packing, "demo") == 0
        assert refused(await packing.take(package_id)) == (410, "PACKAGE_GONE")
        assert (await packing.state(package_id))["problem"] == "PURGED"
        assert await packing.parts.images.objects.list("packages") == []


async def test_a_damaged_image_or_copy_is_never_called_evidence(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        reads = await stored(packing, 2)
        hold_id = await packing.hold(ids(reads))
        objects = packing.parts.images.objects
        key = reads[0].context.key
        was = await objects.get(key)
        await objects.put(key, was[:-1] + bytes([was[-1] ^ 1]))
        status, content = await packing.begin(hold_id)
        assert status == 202
        assert await packing.builder.work() == 0
        state = await packing.state(content["package_id"])
        assert (state["state"], state["problem"], state["volumes"]) == ("broken", "SEAL_BROKEN", [])
        await objects.put(key, was)
        package_id = await packing.built(hold_id)
        (part,) = await objects.list(f"packages/demo/{package_id}/volumes")
        sealed = await objects.get(part)
        await objects.put(part, sealed[:100] + bytes([sealed[100] ^ 1]) + sealed[101:])
        with pytest.raises(InvalidMessage):
            await packing.take(package_id)
        assert (await packing.state(package_id))["volumes"][0]["taken_at"] is None
