"""Ingest that fetches lists by itself, and what a test asks of it."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from alprcore import wire
from alprcore.model import Person
from alprcore.seal import sign_person
from tests.integration.ingest_world import World

HEADER = "plate,state,reason\n"


def csv(*plates):
    return (HEADER + "".join(f"{plate},CA,stolen_vehicle\n" for plate in plates)).encode()


class FedWorld(World):
    """Ingest whose feeds may reach this machine, with credentials and a drop folder of its own."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.credentials, self.dropped = self.folder / "credentials/demo", self.folder / "dropped/demo"
        self.credentials.mkdir(parents=True)
        self.dropped.mkdir(parents=True)
        self.ahead = timedelta(0)

    def clock(self):
        return datetime.now(UTC) + self.ahead

    def give(self, name, folder, *hosts):
        shutil.copytree(folder, self.credentials / name)
        (self.credentials / name / "hosts").write_text("\n".join(hosts))

    @asynccontextmanager
    async def fed(self, *hosts, **more):
        settings = {
            "feed_hosts": list(hosts),
            "feed_private_networks": ["127.0.0.0/8"],
            "feed_credentials_folder": str(self.credentials.parent),
            "feed_drop_folder": str(self.dropped.parent),
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


async def load_again(world, *plates):
    """Load a file by hand; answers the version it became."""
    answer = await world.load("SVS", csv(*plates), layout="generic_csv")
    assert answer.status_code == 201, answer.text
    return answer.json()["version"]


async def roll_back(world):
    asked = await world.call("POST", "/v1/hotlists/SVS/rollbacks", json={"note": "the file was faulty"})
    assert asked.status_code == 201, asked.text
    path = f"/v1/hotlists/SVS/rollbacks/{asked.json()['rollback_id']}/approvals"
    other = Person("p-2", "captain", "Test Captain", "Test", "demo", ("program_manager",), "s-2", "127.0.0.1")
    token = {"authorization": "Person " + sign_person(world.person_key, other, world.clock())}
    done = await world.http.post(path, headers=token)
    assert done.status_code == 201, done.text


def brief(pull):
    return pull["outcome"], pull["reason_code"], pull["version"]
