"""Makes docs/pictures: the whole product in a temporary folder, its drive, its people at work, and a browser that looks.

`make pictures`. Plates, people and vehicles are drawn. Wants Chromium and the recognizer's environment; takes two minutes.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alpr_cli import demo
from alpr_cli.stack import Stack

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs/pictures"
SIZE: Final = {"width": 1280, "height": 800}
MOST_BYTES: Final = 60_000
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
CAMERAS: Final = 2
_LANDED: Final = re.compile(r"/(hits|search|audits|account|people|records(/[a-z]+)?)$")


class PictureError(RuntimeError):
    """A page did not come to show what its picture is of."""


@dataclass
class Desk:
    """The browser at which the demonstration's people take turns."""

    stack: Stack
    browser: Any
    only: frozenset[str] = frozenset()
    pages: dict[str, Any] = field(default_factory=dict)

    def at(self, username: str, path: str = "") -> Any:
        """The page of one person, signed in once, at `path`."""
        if username not in self.pages:
            context = self.browser.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
            page = self.pages[username] = context.new_page()
            page.goto(f"{self.stack.console}/")
            page.fill("[name=username]", username)
            page.fill("[name=password]", self.stack.demo_password)
            page.click("button.main")
            page.wait_for_url(_LANDED)
        page = self.pages[username]
        if path:
            page.goto(self.stack.console + path)
        return page

    def take(self, name: str, page: Any) -> None:
        """Keep what the page shows as `<name>.webp`, as sharp as 60 kB allow."""
        from PIL import Image

        if self.only and name not in self.only:
            return
        page.wait_for_timeout(400)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        for quality in (90, 82, 74, 66, 58, 50, 40):
            stream = io.BytesIO()
            picture.save(stream, "WEBP", quality=quality, method=6)
            if stream.tell() <= MOST_BYTES:
                break
        else:
            message = f"{name}: more than {MOST_BYTES} bytes at the lowest quality"
            raise PictureError(message)
        (FOLDER / f"{name}.webp").write_bytes(stream.getvalue())
        print(f"{name:12} {stream.tell():6} bytes at quality {quality}", flush=True)


def until(page: Any, what: str, question: str, timeout_s: float = 30) -> None:
    """Wait until the page answers true; raises `PictureError` naming what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(question):
        if time.monotonic() > deadline:
            message = f"waited {timeout_s:.0f} s for {what}"
            raise PictureError(message)
        page.wait_for_timeout(100)


def drive(stack: Stack, hits: int) -> None:
    """Play the drive until so many hits stand in the queue."""
    command = demo.drive(stack, source="drive", fps=2.0, cameras=CAMERAS)
    with subprocess.Popen(command) as player, demo.Session(stack.console, "dispatcher", stack.demo_password) as session:
        deadline = time.monotonic() + 180
        while len(session.call("GET", "/v1/hits").json()["hits"]) < hits and time.monotonic() < deadline:
            time.sleep(1)
        player.terminate()


def field_work(desk: Desk) -> None:
    """A vehicle signs on before anything drives past; afterwards it has hits of its own."""
    page = desk.at("officer", "/unit")
    page.fill("[name=unit]", "1A12")
    page.click("#sign-on button.main")
    page.wait_for_selector("#feed.good")
    page.click("#arm")


def dispatch(desk: Desk) -> None:
    """A hit as it stands on the screen, then its work up to the answer of the database."""
    page = desk.at("dispatcher", "/hits")
    page.wait_for_selector(".checklist")
    if page.locator("#arm:visible").count():
        page.click("#arm")
    page.keyboard.press("n")
    until(
        page,
        "both pictures",
        "[...document.querySelectorAll('figure img')].filter((one) => one.naturalWidth).length >= 2",
    )
    desk.take("hit", page)
    page.wait_for_timeout(800)  # a hit that came by itself takes no key for 0.7 s
    page.keyboard.press("a")
    page.wait_for_selector(".band .done")
    page.keyboard.press("s")
    page.wait_for_selector("[data-step-form=read_check]")
    page.keyboard.press("Tab")
    page.keyboard.type("As listed")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-step-form]", state="detached")
    page.keyboard.press("s")
    page.wait_for_selector("[data-step-form=verify]")
    page.check("[data-step-form=verify] [name=result][value=active]")
    page.locator("[data-step-form=verify]").scroll_into_view_if_needed()
    desk.take("work", page)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-step-form]", state="detached")
    page = desk.at("officer")
    page.wait_for_selector(".ticket")
    page.click(".ticket >> nth=0")
    until(page, "a picture", "[...document.querySelectorAll('figure img')].some((one) => one.naturalWidth)")
    desk.take("unit", page)
    page = desk.at("dispatcher", "/hot-plates/new")
    page.fill("#plate", "7TST001")
    page.fill("#state", "CA")
    desk.take("hot-plate", page)


def search(desk: Desk) -> None:
    """A search with its reason, its answer as a list and on a map, and a hold on what was found."""
    page = desk.at("investigator", "/search")
    page.fill("#plate", demo.listed()[0])
    page.check("[name=lookalike]")
    page.select_option("#purpose_code", "criminal_investigation")
    page.fill("#justification", "Made-up robbery of 3 March, witness named this plate")
    page.check("[name=attest_no_first_amendment]")
    page.click("#ask button.main")
    page.wait_for_selector("tbody tr")
    page.click("button.show >> nth=0")
    until(
        page,
        "both pictures",
        "[...document.querySelectorAll('tr.shown img')].filter((one) => one.naturalWidth).length === 2",
    )
    page.evaluate("document.querySelector('#answer').scrollIntoView()")
    desk.take("search", page)
    page.click("[data-view=timeline]")
    page.wait_for_selector(".view[data-of=timeline] ol")
    page.click("[data-view=list]")
    page.check("tbody tr:nth-child(1) [name=read_id]")
    page.click("#hold-these")
    page.wait_for_url("**/records/holds/new")
    page.select_option("#ground", "evidence")
    page.fill("#case_number", "26-000123")
    page.click("#hold-form button.main")
    page.wait_for_url(re.compile("/records/holds/[0-9a-f-]{36}$"))
    desk.take("hold", page)


def look_after(desk: Desk) -> None:
    """Lists, people, a camera, and the policy."""
    page = desk.at("administrator", "/lists")
    desk.take("lists", page)
    desk.take("people", desk.at("administrator", "/people"))
    desk.take("device", desk.at("administrator", f"/devices/{demo.device_ids(1)[0]}"))
    desk.take("profile", desk.at("manager", "/profile"))


def records(desk: Desk) -> None:
    """What is stored and falls due."""
    desk.take("records", desk.at("retention", "/records"))


def audit(desk: Desk) -> None:
    """The ledger: what was looked at, one entry with its proof, and the whole tree computed again."""
    page = desk.at("auditor", "/audits/entries")
    desk.take("entries", page)
    links = page.eval_on_selector_all(
        "tbody tr", "rows => rows.map((row) => [row.innerText, row.querySelector('a').href])"
    )
    address = next((href for words, href in links if re.search(r"\b[Qq]uery\b|Search", words)), links[0][1])
    page.goto(address)
    desk.take("entry", page)
    page = desk.at("auditor", "/audits/ledger")
    page.click("form[action='/audits/ledger'] button.main")
    page.wait_for_load_state()
    desk.take("ledger", page)


STORIES: Final[tuple[Callable[[Desk], None], ...]] = (dispatch, search, look_after, records, audit)


def main() -> int:
    """Make every picture, or those that are named."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these pictures")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is not installed: apt-get install chromium", file=sys.stderr)
        return 69
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="plateline-pictures-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        # the stack first: the browser's driver keeps an event loop, and starting the stack wants its own
        with Stack(Path(folder), tell=lambda words: print(f"  {words}", flush=True)) as stack:
            demo.prepare(stack, cameras=CAMERAS, plates=None)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
                desk = Desk(stack, browser, frozenset(options.names))
                field_work(desk)
                drive(stack, hits=3)
                for story in STORIES:
                    story(desk)
                browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
