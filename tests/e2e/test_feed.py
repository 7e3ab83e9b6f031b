"""Nothing lost and nothing repeated: a dispatcher's and a vehicle's screen through sleep, cuts, restarts and replicas.

Consoles are processes of their own on a real broker and database; between browser and console lies a line that is cut.
"""

import contextlib
import itertools
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from alprcore import wire
from alprcore.model import ClientKind
from tests.fixtures.browser import needs_chromium, opened_page, sign_in
from tests.fixtures.console import make_hit, make_notification, publish, read_all, running_console, sql, wait_for
from tests.fixtures.line import Line
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
AT_ONCE = 6
# counts the first tone of what rings for a new hit of medium priority: one that is told twice would ring twice
COUNT_TONES = """
  window.rung = 0;
  const start = AudioScheduledSourceNode.prototype.start;
  AudioScheduledSourceNode.prototype.start = function (...when) {
    if (this.frequency && Math.round(this.frequency.value) === 660) window.rung += 1;
    return start.apply(this, when);
  };
"""
_rounds = itertools.count(1)


class World:
    """One installation of which consoles come and go."""

    def __init__(self, database, bootstrap, prefix, folder):
        self.database, self.bootstrap, self.prefix, self._folder = database, bootstrap, prefix, folder
        self._numbers = itertools.count(1)
        self.running = []

    def start(self, port=""):
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        stack = contextlib.ExitStack()
        settings = {"PORT": str(port)} if port else {}
        made = running_console(self.database, self.bootstrap, self.prefix, folder, **settings)
        with ThreadPoolExecutor(1) as pool:  # a test that drives a browser has a running loop in this thread
            console = pool.submit(stack.enter_context, made).result()
        console.end = stack.close
        self.running.append(console)
        return console

    def stop(self, console):
        self.running.remove(console)
        console.end()

    @staticmethod
    def port(console):
        return urlsplit(console.url).port


@pytest.fixture(scope="module")
def world(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    with _database(pg_admin_dsn, "feed", f"TEMPLATE {pg_template}") as (_, database):
        made = World(database, kafka_bootstrap, f"feed{secrets.token_hex(3)}.", tmp_path_factory.mktemp("feed"))
        made.start()
        yield made
        for console in list(made.running):
            made.stop(console)


class Screens:
    """A dispatcher and a vehicle before their screens, both behind one line to a console."""

    def __init__(self, world, page, line):
        self.world, self.line = world, line
        url = f"http://127.0.0.1:{line.port}"
        self.dispatch = page
        context = page.context.browser.new_context(viewport={"width": 1024, "height": 768})
        self.vehicle = context.new_page()
        for one in (self.dispatch, self.vehicle):
            one.add_init_script(COUNT_TONES)
        sign_in(self.dispatch, url, "dispatcher")
        sign_in(self.vehicle, url, "officer")
        self.vehicle.goto(f"{url}/unit")
        self.vehicle.fill("#unit", "U7")
        self.vehicle.click("#sign-on button.main")
        for one in (self.dispatch, self.vehicle):
            one.wait_for_selector("#feed.good")
            one.click("#arm")
            one.wait_for_selector("#sound-state.good")
        self.plates, self.hits = [], []

    def publish(self, count=AT_ONCE):
        """Let so many hits happen; each is one incident for both screens."""
        run = next(_rounds)
        made = [make_hit(f"7F{run:02d}N{number:02d}") for number in range(count)]
        self.hits += made
        told = [
            one
            for hit in made
            for one in (make_notification(hit), make_notification(hit, client=ClientKind.VEHICLE, target="vehicles"))
        ]
        publish(self.world.bootstrap, self.world.prefix, *told)

    def settled(self):
        """Wait until both screens show every hit and every receipt is in; then nothing may be there twice."""
        wanted = {hit.hit_id for hit in self.hits}
        found = wait_for(
            "the incidents", lambda: len(r := self._sql("*", "incidents WHERE", wanted)) == len(wanted) and r
        )
        incidents = {row["incident_id"] for row in found}
        for page in (self.dispatch, self.vehicle):
            deadline = time.monotonic() + 40
            seen = "() => [...document.querySelectorAll('#queue [data-incident]')].map((one) => one.dataset.incident)"
            while not incidents <= set(now := page.evaluate(seen)):
                assert time.monotonic() < deadline, f"{len(incidents - set(now))} hits never came to {page.url}"
                page.wait_for_timeout(200)
            assert max(Counter(now).values()) == 1, "an incident is shown twice"
        for where in ("presented WHERE", "deliveries WHERE presented_at IS NOT NULL AND"):
            count = lambda where=where: self._sql("count(*) AS n", where, wanted)[0]["n"]  # noqa: E731
            wait_for("the receipts", lambda count=count: count() == len(wanted))
        # and in the ledger each receipt stands once
        found = wait_for("the receipts in the ledger", lambda: len(c := self._entered(wanted)) == 2 * len(wanted) and c)
        assert set(found.values()) == {1}
        for page in (self.dispatch, self.vehicle):
            assert page.evaluate("window.rung") == len(wanted), page.url

    def _entered(self, wanted):
        """Receipts in the ledger's topic by kind and hit."""
        messages = read_all(self.world.bootstrap, f"{self.world.prefix}audit")
        events = [wire.decode_audit_event(message.value, message.headers) for message in messages]
        name = {"hit_presented": "subject", "delivery_presented": "hit_id"}
        of_receipts = [(event.kind, event.facts[name[event.kind]]) for event in events if event.kind in name]
        return Counter(one for one in of_receipts if one[1] in wanted)

    def _sql(self, what, where, wanted):
        return sql(self.world, f"SELECT {what} FROM console.{where} hit_id = ANY($1)", list(wanted))


@pytest.fixture(scope="module")
def screens(world):
    line = Line(World.port(world.running[0]))
    with opened_page() as page:
        made = Screens(world, page, line)
        yield made
        for one in (made.dispatch, made.vehicle):
            one.goto("about:blank")
        page.troubles.clear()  # a cut line is an error to a browser
    line.close()


def test_a_browser_asleep_catches_up_when_it_wakes(screens):
    screens.publish(2)
    screens.settled()
    sessions = [page.context.new_cdp_session(page) for page in (screens.dispatch, screens.vehicle)]
    for one in sessions:
        one.send("Page.setWebLifecycleState", {"state": "frozen"})
    screens.publish()
    time.sleep(3)
    for one in sessions:
        one.send("Page.setWebLifecycleState", {"state": "active"})
    screens.settled()


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.long)])
def test_a_network_that_was_away_costs_nothing(screens, seconds):
    screens.line.cut()
    screens.publish()
    time.sleep(seconds)
    screens.line.join()
    screens.settled()
    # and one that breaks at any moment, while hits come
    for _ in range(3):
        screens.publish(2)
        screens.line.drop()
        time.sleep(0.3)
    screens.settled()


def test_a_console_that_starts_anew_repeats_nothing(world, screens):
    (console,) = world.running
    screens.line.answers = "502"  # as a proxy says while the console is away
    port = World.port(console)
    world.stop(console)
    screens.publish()
    time.sleep(2)
    world.start(port)
    screens.settled()


def test_two_consoles_are_one_to_the_screens(world, screens):
    first, second = world.running[0], world.start()
    for console in (second, first, second):
        screens.publish(2)
        screens.line.to = World.port(console)
        screens.line.drop()
        screens.publish(2)
    screens.settled()
    world.stop(second)
