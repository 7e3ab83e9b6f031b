"""Lists that fetch themselves: real SFTP, HTTPS and a folder, with everything that goes wrong on the way."""

import asyncio
import io
import os
import time
import zipfile
from datetime import UTC, datetime, timedelta

import asyncssh
import pytest

from tests.integration.feed_world import HEADER, FedWorld, brief, csv, load_again, roll_back


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = FedWorld(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


@pytest.mark.requirement("HOT-03", partial="SFTP; the count per day is shown below")
def test_a_list_comes_from_a_real_sftp_server_and_nothing_else_does(world, sftp_server, caplog):
    world.give("doj", sftp_server.credential, sftp_server.host, "127.0.0.1:9")
    world.give("stranger", sftp_server.credential, sftp_server.host)
    world.give("elsewhere", sftp_server.credential, "files.example")
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(world.credentials / "stranger/private_key")
    other_key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    place = sftp_server.files / "svs_0304.csv"

    async def told():
        host = sftp_server.host
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
            await world.ledger("list_alarm_ended", lambda e: "feed_stopped" in {one.facts["alarm"] for one in e})

            assert (await load_again(world, "7ABC123")) == 3  # by a person, and two people take it back
            await roll_back(world)
            (sftp_server.files / "svs_0304.csv").write_bytes(csv("7ABC123"))
            assert brief(await world.pull()) == ("refused", "LIST_ROLLED_BACK", None)
            assert (await world.row())["entries"] == 2

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
                ({"credential": "elsewhere"}, "CREDENTIAL_NOT_FOR_HOST", False),
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
            assert (await world.row())["version"] == 5
            place.unlink()

    asyncio.run(told())
    secret = (sftp_server.credential / "private_key").read_text().splitlines()[1]
    assert secret not in caplog.text


@pytest.mark.requirement("HOT-03", partial="HTTPS; the count per day is shown below")
def test_a_list_comes_by_https_and_every_broken_answer_is_kept_out(world, https_server):
    world.give("state", https_server.credential, https_server.host)
    world.give("trusting", https_server.credential, https_server.host)
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
        host = https_server.host
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
    world.give("doj", sftp_server.credential, sftp_server.host, "127.0.0.1:9")

    async def told():
        source = {"kind": "sftp", "address": sftp_server.address("a.csv"), "credential": "doj", "layout": "generic_csv",
                  "every_s": 3600, "host_key": sftp_server.host_key}  # fmt: skip
        async with world.fed(sftp_server.host, feed_private_networks=[]):
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
            (folder / "b.csv").write_bytes(csv("7ABC123"))  # most entries would go: once refused, once said
            assert brief(await world.pull()) == ("refused", "LIST_SHRUNK", None)
            number = (await world.pulls())[0]["number"]
            await sql(world, "UPDATE ingest.feeds SET next_at = now() - interval '1 minute'")
            await sql_until(world, "SELECT 1 FROM ingest.feeds WHERE next_at > now()")
            assert (await world.pulls())[0]["number"] == number
            assert len(await world.ledger("list_load_refused")) == 1

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


async def sql_until(world, statement):
    async with asyncio.timeout(20):
        while not await sql(world, statement):
            await asyncio.sleep(0.05)


async def watched(world, code):
    """The list, once ingest has begun to watch it."""
    await sql_until(world, f"SELECT 1 FROM ingest.hotlists WHERE code = '{code}' AND watched_from IS NOT NULL")
    return await world.row(code, "roseville")


OF_AN_AGENCY_THAT_LEFT = """
    INSERT INTO ingest.hotlists (agency, code, name, list_type, advisory_class, default_reason, source,
        legitimate_interest, loads_per_day, approved, created_by)
    SELECT 'gone', 'L' || n, 'Gone', 'local', 'bolo', 'bolo', 'test', 'test', 1, true, 'p-1' FROM generate_series(1, 4) n
"""


def test_two_replicas_pull_a_list_once_and_what_was_interrupted_says_so(world, https_server):
    world.give("state", https_server.credential, https_server.host)
    https_server.serve(csv("7ABC123"))
    quick = https_server.handle

    def slowly(request):
        time.sleep(0.7)
        quick(request)

    async def told():
        host = https_server.host
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

            await sql(world, OF_AN_AGENCY_THAT_LEFT)  # three longest waiting feeds that nobody may pull
            await sql(world, "INSERT INTO ingest.feeds SELECT (jsonb_populate_record(f, jsonb_build_object("
                             "'agency', 'gone', 'code', 'L' || n, 'next_at', now() - interval '1 day'))).* "
                             "FROM ingest.feeds f, generate_series(1, 4) n")  # fmt: skip
            number = len(https_server.asked)
            await world.call("POST", "/v1/hotlists/SVS/feed/pulls")
            await sql_until(world, "SELECT 1 FROM ingest.pulls WHERE outcome = 'running'")
            await world.call("POST", "/v1/hotlists/SVS/feed/pulls")  # asked while one is running: it comes as well
            async with asyncio.timeout(20):
                while len(https_server.asked) < number + 2:
                    await asyncio.sleep(0.05)

    asyncio.run(told())
