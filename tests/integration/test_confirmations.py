"""An agency's switch confirms a hit over the console's own route, or nothing is confirmed (HIT-09)."""

import json
import threading
from contextlib import contextmanager

import pytest

from alpr_cli.switch import Switch, server
from alprcore.confirming import TEST
from alprcore.model import DeviceKind
from tests.fixtures.desk import desk
from tests.fixtures.hit_work import BASIS, REASON, HitWork

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
ASKED = {"source": "CLETS", "route": "dispatch"}


@contextmanager
def serving(switch, clock):
    made = server(0, switch, clock)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}/confirm"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


class Real(Switch):
    """A switch that answers as a database would; `broken` leaves a field out."""

    broken = False

    def answer(self, body, headers, now):
        status, content = super().answer(body, headers, now)
        if status == 200:
            content = {**content, "text": "STOLEN VEHICLE", "reference": "FCN 7", "answered_by": "s 1", "test": False}
        if self.broken:
            del content["reference"]
        return status, content


@pytest.mark.requirement("HIT-09")
@pytest.mark.asyncio
async def test_hits_are_confirmed_by_a_switch_by_hand_or_by_a_stub_that_says_so(pg_database, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    held, switch = {}, Real((SECRET,))
    with serving(switch, lambda: held["made"].now) as url:
        settings = {
            "escondido": {"adapter": "http", "url": url, "secret_file": tmp_path / "secret"},
            "demo": {"adapter": "stub"},
        }
        async with desk(pg_database, tmp_path, confirmations=settings) as made:
            held["made"], at_work = made, HitWork(made)

            # by hand: nothing can be asked
            hit, who = await at_work.hit("roseville"), at_work.person("dispatcher", "roseville")
            assert await at_work.refused(hit, "confirmations", who, ASKED) == "CONFIRMATION_MANUAL"
            assert (await at_work.work(hit, who))["forms"]["verification"]["adapter"] == "manual"

            # a stub: every text of the answer says TEST, on the screen and in the papers
            hit, who = await at_work.hit("demo"), at_work.person("dispatcher", "demo")
            await at_work.check(hit, who)
            told = await at_work.post(hit, "confirmations", who, ASKED)
            assert (told["result"], told["test"], TEST in told["reference"]) == ("active", True, True)
            shown = (await at_work.work(hit, who))["verifications"][0]
            assert (shown["test"], TEST in shown["reference"]) == (True, True)
            kept = await made.get(f"/v1/hits/{hit.hit_id}/verifications/{told['verification_id']}", who)
            assert kept["text"].startswith(TEST)

            # what is told of it on the air is the answer, not what somebody typed, and says TEST, too
            await at_work.client("demo", "12")
            for kind, told_as in (("", None), ("clets_result", f"{TEST}: active")):
                body = at_work.broadcast_body("demo", kind, override_reason=REASON)
                await at_work.post(hit, "broadcasts", who, body)
                message = (await at_work.told(hit, "broadcast"))[-1]
                assert message.broadcast.content.get("result") == told_as
            assert f"RESULT by Dispatcher: {TEST}: active" in message.screen_text

            # a switch whose answer lacks a field: recorded, and nothing is confirmed
            hit, who = await at_work.hit("escondido", DeviceKind.MOBILE), at_work.person("dispatcher", "escondido")
            officer = at_work.person("officer", "escondido", "vehicle")
            await at_work.check(hit, who)
            switch.broken = True
            told = await at_work.post(hit, "confirmations", who, ASKED)
            assert (told["result"], "as agreed" in told["failure"]) == ("error", True)
            await at_work.post(hit, "nature-review", officer, {"nature": "stolen_vehicle"})
            stop = {"type": "traffic_stop", "independent_basis": BASIS}
            assert await at_work.refused(hit, "actions", officer, stop) == "CLETS_CONFIRMATION_REQUIRED"

            # and one that answers as agreed
            switch.broken = False
            told = await at_work.post(hit, "confirmations", who, ASKED)
            assert (told["result"], told["test"], told["reference"]) == ("active", False, "FCN 7")
            await at_work.post(hit, "actions", officer, stop)
            assert "STOLEN VEHICLE" not in json.dumps(await at_work.work(hit, officer))
