"""Lists that fetch themselves: real SFTP, HTTPS and a folder, with everything that goes wrong on the way."""

import asyncio
import io
import os
import shutil
import time
import zipfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncssh
import pytest

from alpr_cli.list_source import source_of, write
from alprcore import wire
from alprcore.kafka import Publisher
from alprcore.plates import skeleton
from alprcore.policy import ENTERED
from alprcore.profiles import load_profiles
from alprcore.topics import Topic
from tests.integration.ingest_world import World
from tests.unit.matcher.build import make_read

HEADER = "plate,state,reason\n"


def csv(*plates):
    return (HEADER + "".join(f"{plate},CA,stolen_vehicle\n" for plate in plates)).encode()


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = FedWorld(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


class FedWorld(World):
    """Ingest whose feeds may reach this machine, with credentials and a drop folder of its own."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.credentials, self.dropped = self.folder / "credentials", self.folder / "dropped"
        self.credentials.mkdir()
        self.dropped.mkdir()
        self.ahead = timedelta(0)

    def clock(self):
        return datetime.now(UTC) + self.ahead

    def give(self, name, folder):
        shutil.copytree(folder, self.credentials / name)

    @asynccontextmanager
    async def fed(self, *hosts, **more):
        settings = {
            "feed_hosts": list(hosts),
            "feed_private_networks": ["127.0.0.0/8"],
            "feed_credentials_folder": str(self.credentials),
            "feed_drop_folder": str(self.dropped),
            "feed_poll_seconds": 0.1,
            "feed_settle_seconds": 0.05,
            "feed_timeout_seconds": 10,
            "feed_max_bytes": 1_000_000,
        } | more
        async with self.running(clock=self.clock, **settings):
            yield self

    async def call(self, method, path, *, agency="demo", roles=("alpr_admin",), **options):
        return await self.http.request(method, path, headers=self.person(agency, roles, self.clock()), **options)

    async def feed(self, code="SVS", *, agency="demo", **fields):
        """Set a feed and wait for its first pull."""
        before = len(await self.pulls(code, agency))
        body = {"layout": "generic_csv", "every_s": 3600} | fields
        answer = await self.call("PUT", f"/v1/hotlists/{code}/feed", agency=agency, json=body)
        assert answer.status_code == 200, answer.text
        return await self.pulled(before, code, agency)

    async def pull(self, code="SVS"):
        """Pull now and wait for what comes of it."""
        before = len(await self.pulls(code))
        answer = await self.call("POST", f"/v1/hotlists/{code}/feed/pulls")
        assert answer.status_code == 202, answer.text
        return await self.pulled(before, code)

    async def pulls(self, code="SVS", agency="demo"):
        return (await self.call("GET", f"/v1/hotlists/{code}/feed/pulls", agency=agency)).json()["pulls"]

    async def pulled(self, before, code, agency="demo", seconds=30):
        """The newest pull, once there is one more than before and it has ended."""
        async with asyncio.timeout(seconds):
            while True:
                pulls = await self.pulls(code, agency)
                if len(pulls) > before and pulls[0]["outcome"] != "running":
                    return pulls[0]
                await asyncio.sleep(0.05)

    async def row(self, code="SVS", agency="demo"):
        lists = (await self.call("GET", "/v1/hotlists", agency=agency)).json()["hotlists"]
        return next(row for row in lists if row["code"] == code)

    async def ledger(self, kind, enough=bool, seconds=20):
        """Entries of a kind on their way to the ledger, once there are enough."""
        async with asyncio.timeout(seconds):
            while True:
                events = [wire.decode_audit_event(value, headers) for *_, value, headers in await self.lying("audit")]
                if enough(found := [event for event in events if event.kind == kind]):
                    return found
                await asyncio.sleep(0.1)

    async def alarms(self, enough, seconds=20):
        """What was told of the lists of an agency, once it is enough."""
        async with asyncio.timeout(seconds):
            while True:
                found = [wire.decode_list_alarm(v, h) for *_, v, h in await self.lying("hotlist.alarms")]
                if enough(found := [alarm for alarm in found if alarm.agency == "roseville"]):
                    return found
                await asyncio.sleep(0.1)


def brief(pull):
    return pull["outcome"], pull["reason_code"], pull["version"]


@pytest.mark.requirement("HOT-03", partial="SFTP; the count per day is shown below")
def test_a_list_comes_from_a_real_sftp_server_and_nothing_else_does(world, sftp_server, caplog):
    world.give("doj", sftp_server.credential)
    world.give("stranger", sftp_server.credential)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(world.credentials / "stranger/private_key")
    other_key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    place = sftp_server.files / "svs_0304.csv"

    async def told():
        host = f"127.0.0.1:{sftp_server.port}"
        source = {
            "kind": "sftp", "address": sftp_server.address("svs_*.csv"), "credential": "doj",
            "host_key": sftp_server.host_key,
        }  # fmt: skip
        async with world.fed(host, "127.0.0.1:9"):
            (sftp_server.files / "svs_0303.csv").write_bytes(csv("9OLD999"))
            os.utime(sftp_server.files / "svs_0303.csv", (1_772_500_000, 1_772_500_000))
            place.write_bytes(csv("7ABC123", "7ABC124"))
            os.utime(place, (1_772_600_000, 1_772_600_000))
            first = await world.feed(**source)
            assert brief(first) == ("loaded", "", 1)
            assert first["bytes"] == len(csv("7ABC123", "7ABC124"))
            row = await world.row()
            assert (row["version"], row["entries"]) == (1, 2)
            assert datetime.fromisoformat(row["source_time"]).timestamp() == 1_772_600_000
            [loaded] = await world.ledger("list_loaded")
            assert (loaded.facts["person_id"], loaded.personal["full_name"]) == ("system:feed", "Automatic list feed")

            assert brief(await world.pull()) == ("unchanged", "", 1)  # the same file again
            [asked] = await world.ledger("feed_pull_asked")
            assert asked.facts["person_id"] == "p-1"
            place.write_bytes(csv("7ABC123"))
            os.utime(place, (1_772_590_000, 1_772_590_000))  # older than what is in force
            assert brief(await world.pull()) == ("refused", "LIST_OLDER_THAN_ACTIVE", None)
            [stopped] = await world.ledger("list_feed_stopped")
            assert (stopped.facts["list"], stopped.reason_code) == ("SVS", "LIST_OLDER_THAN_ACTIVE")
            place.write_bytes(csv("7ABC123", "7ABC125"))
            assert brief(await world.pull()) == ("loaded", "", 2)  # mended
            [ended] = await world.ledger("list_alarm_ended")
            assert ended.facts["alarm"] == "feed_stopped"

            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("svs.csv", csv("7ABC123", "7ABC126"))
            (sftp_server.files / "svs_0305.csv").write_bytes(packed.getvalue())
            zipped = await world.pull()
            assert brief(zipped)[0] == "loaded", zipped
            (sftp_server.files / "svs_0305.csv").unlink()

            for change, code, retried in (
                ({"host_key": other_key}, "HOST_KEY_CHANGED", False),
                ({"credential": "stranger"}, "LOGIN_REFUSED", False),
                ({"credential": "nobody"}, "CREDENTIAL_MISSING", False),
                ({"address": sftp_server.address("slr_*.csv")}, "FILE_MISSING", True),
                ({"address": "sftp://127.0.0.1:9/svs.csv"}, "SOURCE_AWAY", True),
            ):
                failed = await world.feed(**(source | change))
                assert brief(failed) == ("failed", code, None), failed
                feed = (await world.call("GET", "/v1/hotlists/SVS/feed")).json()
                wait = datetime.fromisoformat(feed["next_at"]) - datetime.fromisoformat(failed["ended_at"])
                assert (wait == timedelta(minutes=1)) == retried
            with place.open("wb") as huge:
                huge.truncate(10 * 2**30)  # ten gigabytes are announced, and no byte of them is read
            huge = await world.feed(**source)
            assert (brief(huge), huge["bytes"]) == (("failed", "FILE_TOO_LARGE", None), 0)
            assert (await world.row())["version"] == 3
            place.unlink()

    asyncio.run(told())
    secret = (sftp_server.credential / "private_key").read_text().splitlines()[1]
    assert secret not in caplog.text


@pytest.mark.requirement("HOT-03", partial="HTTPS; the count per day is shown below")
def test_a_list_comes_by_https_and_every_broken_answer_is_kept_out(world, https_server):
    world.give("state", https_server.credential)
    world.give("trusting", https_server.credential)
    (world.credentials / "trusting/ca.pem").unlink()  # then the machine's own authorities, which do not know this one
    whole = csv("7ABC123", "7ABC124")

    def answers(*lines, body=b"", pause=0.0):
        def handle(request):
            request.wfile.write("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
            for at in range(0, len(body), 8):
                request.wfile.write(body[at : at + 8])
                request.wfile.flush()
                time.sleep(pause)

        return handle

    async def told():
        host = f"127.0.0.1:{https_server.port}"
        source = {"kind": "https", "address": https_server.address(), "credential": "state"}
        async with world.fed(host, feed_timeout_seconds=3):
            https_server.serve(whole)
            assert brief(await world.feed(**source)) == ("loaded", "", 1)
            assert https_server.asked[-1]["authorization"] == "Bearer synthetic-bearer"
            assert https_server.asked[-1]["host"] == host
            assert datetime.fromisoformat((await world.row())["source_time"]) == datetime(2026, 3, 4, 11, tzinfo=UTC)
            same = await world.pull()
            assert brief(same) == ("unchanged", "", 1)
            assert (https_server.asked[-1]["if-none-match"], same["bytes"]) == ('"1"', 0)  # 304, nothing came

            here = f"https://{host}"
            for code, handle in (
                ("TRUNCATED", answers("HTTP/1.1 200 OK", f"content-length: {len(whole) + 50}", body=whole)),
                ("TRUNCATED", answers("HTTP/1.1 200 OK", "transfer-encoding: chunked", body=b"5\r\nplate")),
                ("LENGTH_UNKNOWN", answers("HTTP/1.1 200 OK", "connection: close", body=whole)),
                ("FILE_TOO_LARGE", answers("HTTP/1.1 200 OK", "content-length: 10737418240", body=whole)),
                ("TIMED_OUT", answers("HTTP/1.1 200 OK", "content-length: 4000", body=bytes(4000), pause=0.1)),
                ("SOURCE_FAILED", answers("HTTP/1.1 503 Away", "content-length: 0")),
                (
                    "SOURCE_FAILED",
                    answers("HTTP/1.1 200 OK", "content-encoding: gzip", "content-length: 3", body=b"abc"),
                ),
                ("LOGIN_REFUSED", answers("HTTP/1.1 403 No", "content-length: 0")),
                ("REDIRECTED", answers("HTTP/1.1 302 Go", "location: https://localhost/svs.csv", "content-length: 0")),
                ("REDIRECTED", answers("HTTP/1.1 302 Go", "location: http://127.0.0.1/svs.csv", "content-length: 0")),
                ("REDIRECTED", answers("HTTP/1.1 302 Go", f"location: {here}/again", "content-length: 0")),
            ):
                https_server.handle = handle
                assert brief(await world.pull()) == ("failed", code, None)
            assert brief(await world.feed(**(source | {"credential": "trusting"}))) == (
                "failed", "CERTIFICATE_INVALID", None,
            )  # fmt: skip
            https_server.serve(csv("7ABC123"), etag='"2"', modified="Wed, 04 Mar 2026 12:00:00 GMT")
            assert brief(await world.feed(**source)) == ("loaded", "", 2)
            assert (await world.row())["entries"] == 1

    asyncio.run(told())


def test_a_feed_names_only_hosts_that_the_operator_allows_and_never_a_secret(world, sftp_server):
    world.give("doj", sftp_server.credential)

    async def told():
        source = {"kind": "sftp", "address": sftp_server.address("a.csv"), "credential": "doj", "layout": "generic_csv",
                  "every_s": 3600, "host_key": sftp_server.host_key}  # fmt: skip
        async with world.fed(f"127.0.0.1:{sftp_server.port}", feed_private_networks=[]):
            for change, code in (
                ({"address": "sftp://169.254.169.254/latest"}, "HOST_NOT_ALLOWED"),
                ({"address": "sftp://root:secret@127.0.0.1/a"}, "ADDRESS_INVALID"),
                ({"kind": "folder", "address": "../outside.csv", "host_key": ""}, "ADDRESS_INVALID"),
                ({"every_s": 86_400}, "SCHEDULE_INVALID"),  # SVS is due twice a day
                ({"layout": "no_such"}, "LAYOUT_UNKNOWN"),
                ({"host_key": ""}, "FIELD_INVALID"),
                ({"credential": "../doj"}, "FIELD_INVALID"),
                ({"password": "secret"}, "FIELD_UNKNOWN"),
            ):
                answer = await world.call("PUT", "/v1/hotlists/SVS/feed", json=source | change)
                assert (answer.status_code, answer.json()["reason_code"]) == (422, code), change
            for method, path in (("PUT", "feed"), ("POST", "feed/pulls"), ("DELETE", "feed"), ("PUT", "categories")):
                answer = await world.call(method, f"/v1/hotlists/SVS/{path}", json=source, roles=("officer",))
                assert answer.status_code == 403
            # an allowed host whose address lies inside is not reached either
            assert brief(await world.feed(**source)) == ("failed", "ADDRESS_NOT_ALLOWED", None)
            shown = (await world.call("GET", "/v1/hotlists/SVS/feed")).text
            assert (sftp_server.credential / "private_key").read_text().splitlines()[1] not in shown
            assert (await world.call("DELETE", "/v1/hotlists/SVS/feed")).status_code == 204
            assert (await world.call("GET", "/v1/hotlists/SVS/feed")).status_code == 404
            kinds = {event.kind for event in await world.ledger("feed_removed")} | {
                event.kind for event in await world.ledger("feed_set")
            }
            assert kinds == {"feed_removed", "feed_set"}
            off = await world.call("PUT", "/v1/hotlists/SVS/categories", json={"off": ["v ", "P", "V"]})
            assert off.json() == {"off": ["P", "V"]}

    asyncio.run(told())


def test_a_dropped_file_is_read_once_when_its_writer_has_finished(world):
    folder = world.dropped / "svs"
    folder.mkdir()

    async def told():
        source = {"kind": "folder", "address": "svs/*.csv", "every_s": 60, "move_loaded": True}
        async with world.fed(feed_settle_seconds=0.3):
            outside = world.folder / "outside.csv"
            outside.write_bytes(csv("9BAD999"))
            (folder / "link.csv").symlink_to(outside)  # leads out of the drop folder: not there
            half = folder / "a.csv"
            half.write_bytes(HEADER.encode())

            plates = (f"7ABC{number:03d}" for number in range(1000))

            async def write_on():
                while True:
                    with half.open("ab") as file:
                        file.write(f"{next(plates)},CA,stolen_vehicle\n".encode())
                    await asyncio.sleep(0.02)

            writing = asyncio.create_task(write_on())
            assert brief(await world.feed(**source)) == ("failed", "FILE_CHANGING", None)
            writing.cancel()
            written = next(plates)[4:]
            assert brief(await world.pull()) == ("loaded", "", 1)
            assert (await world.row())["entries"] == int(written)
            assert sorted(path.name for path in folder.iterdir()) == ["link.csv", "loaded"]
            number = (await world.pulls())[0]["number"]
            asked = await world.call("POST", "/v1/hotlists/SVS/feed/pulls")
            at = datetime.fromisoformat(asked.json()["asked_at"])
            async with asyncio.timeout(20):  # nothing new: no row, and not a download of the day either
                while (
                    datetime.fromisoformat((await world.call("GET", "/v1/hotlists/SVS/feed")).json()["next_at"]) <= at
                ):
                    await asyncio.sleep(0.05)
            assert (await world.pulls())[0]["number"] == number

    asyncio.run(told())


@pytest.mark.requirement("HOT-03")
@pytest.mark.requirement("HOT-05")
def test_a_day_with_too_few_loads_and_a_list_left_alone_raise_their_alarms_once(world):
    noon = datetime(2026, 3, 7, 20, 0, tzinfo=UTC)  # noon in California, the day before the one with 23 hours

    async def told():
        world.ahead = noon - datetime.now(UTC)
        special = {
            "code": "GANG", "name": "Special", "source": "RMS", "legitimate_interest": "a test of special lists",
            "advisory_class": "information_only", "list_type": "local",
        }  # fmt: skip
        async with world.fed():
            made = await world.call("POST", "/v1/hotlists", agency="roseville", json=special)
            assert made.status_code == 201, made.text
            await sql(world, "UPDATE ingest.hotlists SET list_type = 'special' WHERE code = 'GANG'")
            row = await watched(world, "GANG")
            assert row["list_type"] == "special"
            world.ahead += timedelta(
                hours=14
            )  # two in the morning of the 8th: the 7th, on which all began, is not judged
            for hours in (0, 1):
                await load(world, "SVS", f"7ABC12{hours}")
                world.ahead += timedelta(hours=1)
            await load(world, "SRV", "7ABC126")
            world.ahead += timedelta(hours=21)  # one in the morning of the 9th, 22 hours after the first load
            late = {"SRV", "SLR", "GANG"}
            alarms = await world.alarms(lambda a: late <= {one.list_code for one in a if one.kind == "loads_missed"})
            days = {(a.list_code, a.facts["day"], a.facts["loads"]) for a in alarms if a.kind == "loads_missed"}
            assert days >= {("SRV", "2026-03-08", "1"), ("SLR", "2026-03-08", "0"), ("GANG", "2026-03-08", "0")}
            assert not any(name == "SVS" for name, *_ in days)  # had its two
            assert {day for _, day, _ in days} == {"2026-03-08"}
            told_of = await world.ledger("list_loads_missed", lambda e: late <= named(e))
            srv = next(event for event in told_of if event.facts["list"] == "SRV")
            assert srv.facts == {
                "day": "2026-03-08", "loads": "1", "needed": "2", "list": "SRV", "subject": "roseville/SRV",
                "rule_id": "HOT-03",
            }  # fmt: skip
            stale = await world.ledger("list_stale", lambda e: late | {"SVS"} <= named(e))  # SVS: 19 hours without
            gang = next(event for event in stale if event.facts["list"] == "GANG")
            assert (gang.reason_code, gang.facts["rule_id"]) == ("HOTLIST_STALE", "HOT-05")
            alarms = await world.alarms(lambda a: "SVS" in {one.list_code for one in a if one.kind == "stale"})
            assert {a.reason_code for a in alarms if a.kind == "stale"} == {"HOTLIST_STALE"}
            assert (await world.row("GANG", "roseville"))["stale"]
            metrics = (await world.http.get("/metrics")).text
            assert 'alpr_ingest_list_stale{agency="roseville",list="GANG"} 1.0' in metrics
            await load(world, "SVS", "7ABC127")
            await world.ledger("list_alarm_ended", lambda events: "SVS" in named(events))
            assert not (await world.row("SVS", "roseville"))["stale"]
            again = [e.event_id for e in await world.ledger("list_stale") + await world.ledger("list_loads_missed")]
            assert len(again) == len(set(again))  # once each, however often they were looked at

    asyncio.run(told())


def named(events):
    return {event.facts["list"] for event in events if event.agency == "roseville"}


async def load(world, code, *plates):
    answer = await world.call(
        "POST",
        f"/v1/hotlists/{code}/loads",
        agency="roseville",
        files={"file": ("list", csv(*plates, "7ZZZ990"), "text/csv")},
        data={"layout": "generic_csv", "source_time": world.clock().isoformat()},
    )
    assert answer.status_code == 201, answer.text


async def sql(world, statement):
    import asyncpg

    connection = await asyncpg.connect(world.database.admin)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def watched(world, code):
    """The list, once ingest has begun to watch it."""
    async with asyncio.timeout(20):
        while not await sql(world, f"SELECT 1 FROM ingest.hotlists WHERE code = '{code}' AND watched_from IS NOT NULL"):
            await asyncio.sleep(0.05)
    return await world.row(code, "roseville")


def test_two_replicas_pull_a_list_once_and_what_was_interrupted_says_so(world, https_server):
    world.give("state", https_server.credential)
    https_server.serve(csv("7ABC123"))
    quick = https_server.handle

    def slowly(request):
        time.sleep(0.7)
        quick(request)

    async def told():
        host = f"127.0.0.1:{https_server.port}"
        async with world.fed(host):
            first, number = world.http, len(https_server.asked)
            async with world.fed(host):  # a second replica on the same database
                https_server.handle = slowly
                pull = await world.feed(kind="https", address=https_server.address(), credential="state")
                assert brief(pull) == ("loaded", "", 1)
                await asyncio.sleep(0.5)  # five looks of each replica
                assert len(https_server.asked) == number + 1
                assert len(await world.pulls()) == 1
            world.http = first
            await sql(
                world,
                "INSERT INTO ingest.pulls (agency, code, started_at, outcome) VALUES ('demo', 'SVS', now(), 'running')",
            )  # its process was killed
            await world.pull()
            assert [pull["outcome"] for pull in await world.pulls()] == ["unchanged", "interrupted", "loaded"]

    asyncio.run(told())


# dry runs


def test_a_dry_run_tells_what_a_file_would_have_made_of_yesterday_and_changes_nothing(world):
    now = datetime.now(UTC)
    made = [
        # plate, minutes ago, and what is sure: two sightings of one vehicle within the window are one alert
        ("7ABC123", 600), ("7ABC123", 595), ("7ABC123", 300), ("7ABC124", 200), ("7OLD001", 100), ("7NON001", 50),
    ]  # fmt: skip

    async def told():
        async with world.fed():
            await load_demo(world, "7OLD001", "7ABC124")
            async with Publisher(world.kafka) as publisher:
                for number, (plate, minutes) in enumerate(made, 1):
                    await send(
                        publisher, make_read(plate, captured_at=now - timedelta(minutes=minutes), sequence=number)
                    )
                other = make_read("7ABC123", captured_at=now, sequence=90, agency="roseville")
                await send(publisher, other)
                unsure = make_read("7ABC1Z4", captured_at=now - timedelta(minutes=10), sequence=91, sure=0.5)
                await send(publisher, unsure)  # a look-alike of 7ABC124 where the reader was unsure
            for mode in ("full", "incremental"):
                answer = await dry_run(world, csv("7ABC123", "7NEW999"), mode)
                assert answer.status_code == 200, answer.text
                found, kept = answer.json(), mode == "incremental"  # then what is in force stays, and two more come
                assert (found["reads"], found["entries"], found["rejected"]) == (7, 2, 0)
                assert (found["alerts"], found["hits"]) == (2 + 3 * kept, 3 + 3 * kept)
                assert found["by_grade"] == ({"exact": 4, "lookalike": 1} if kept else {"exact": 2})
                by_grade = {"exact": 2, "lookalike": 1}
                assert found["active"] == {"version": 1, "entries": 2, "alerts": 3, "hits": 3, "by_grade": by_grade}
                assert "7ABC123" not in answer.text
            assert (await world.row())["version"] == 1
            entered = await world.ledger("list_dry_run", lambda events: len(events) == 2)
            assert {event.facts["alerts"] for event in entered} == {"2", "5"}
            cut = await dry_run(world, b"plate,state\n7ABC123", "full")
            assert (cut.status_code, cut.json()["reason_code"]) == (422, "LIST_TRUNCATED")

    asyncio.run(told())


async def dry_run(world, data, mode):
    return await world.call(
        "POST",
        "/v1/hotlists/SVS/dry-runs",
        files={"file": ("list", data, "text/csv")},
        data={"layout": "generic_csv", "source_time": datetime.now(UTC).isoformat(), "mode": mode},
    )


async def load_demo(world, *plates):
    answer = await world.load("SVS", csv(*plates), layout="generic_csv")
    assert answer.status_code == 201, answer.text


async def send(publisher, read):
    headers = wire.headers_for(Topic.READS, id=read.read_id, source="test", time=read.captured_at)
    await (await publisher.send(Topic.READS, key=skeleton(read.plate), value=wire.encode_read(read), headers=headers))


# every list of every policy


@pytest.mark.requirement("HOT-01")
@pytest.mark.requirement("DEF-07")
def test_every_list_of_every_policy_is_there_and_is_loaded_from_its_source(world):
    profiles = {agency: profile for agency, profile in load_profiles().items() if agency != "demo"}
    assert len(profiles) == 5

    async def told():
        async with world.fed():
            for agency, profile in profiles.items():
                rows = (await world.call("GET", "/v1/hotlists", agency=agency)).json()["hotlists"]
                kinds = {row["code"]: row["list_type"] for row in rows}
                assert kinds.items() >= {(rule.code, rule.list_type) for rule in profile.lists}, agency
                refresh = {row["code"]: row["refresh"]["loads_per_day"] for row in rows}
                assert all(refresh[rule.code] == rule.loads_per_day for rule in profile.lists)
                (world.dropped / agency).mkdir()
                await asyncio.gather(*(fetch(agency, code, kind) for code, kind in kinds.items()))
                loaded = (await world.call("GET", "/v1/hotlists", agency=agency)).json()["hotlists"]
                entries = {row["code"]: row["entries"] for row in loaded if row["list_type"] not in ENTERED}
                assert entries == dict.fromkeys(entries, 3), agency
            roseville = (await world.call("GET", "/v1/hotlists", agency="roseville")).json()["hotlists"]
            twice = {row["code"] for row in roseville if row["refresh"]["loads_per_day"] >= 2}
            assert twice >= {"SVS", "SRV", "SLR"}

    async def fetch(agency, code, kind):
        source = source_of(code)
        (world.dropped / agency / f"{code}.txt").write_bytes(write(source, range(3), world.clock()))
        feed = {
            "kind": "folder", "address": f"{agency}/{code}.txt", "layout": source.layout, "every_s": 3600,
            "sources": ["RMS", "County CAD"] if kind == "special" else [],
            "permissible_use": "2721(b)(1)" if code == "DMV" else "",
        }  # fmt: skip
        if kind in ENTERED:  # its entries are made one by one, by people
            answer = await world.call("PUT", f"/v1/hotlists/{code}/feed", agency=agency, json=feed)
            assert (answer.status_code, answer.json()["reason_code"]) == (409, "LIST_NOT_LOADABLE")
            return
        if kind == "special":  # HOT-06
            answer = await world.call(
                "POST",
                f"/v1/hotlists/{code}/approvals",
                agency=agency,
                roles=("program_manager",),
                json={"note": "test"},
            )
            assert answer.status_code == 201, answer.text
        assert brief(await world.feed(code, agency=agency, **feed)) == ("loaded", "", 1), (agency, code)

    asyncio.run(told())
