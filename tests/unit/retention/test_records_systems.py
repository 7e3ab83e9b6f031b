"""Whose word about a case file counts: what goes wrong on the way, and what is made up, says nothing (RET-09)."""

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from alpr_cli.rms import RecordsSystem
from alpr_cli.switch import server
from alpr_retention.holding.rules import CaseFile
from alpr_retention.holding.store import RecordsSystems
from alprcore.calling import AskedSystem
from alprcore.casefiles import Question
from alprcore.errors import Misconfigured
from alprcore.profiles import load_profiles

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROFILES = load_profiles()
ASKED = Question("r-1", "escondido", "SIM-20240131", NOW)
SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"


def ask(settings, known=None, question=ASKED, profile=PROFILES["escondido"]):
    async def answered():
        systems = RecordsSystems({question.agency: settings}, lambda: NOW)
        try:
            return await systems.ask(profile, question, known)
        finally:
            await systems.close()

    return asyncio.run(answered())


@contextmanager
def playing(*secrets):
    system = server(0, RecordsSystem(secrets), lambda: NOW)
    threading.Thread(target=system.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{system.server_port}/"
    finally:
        system.shutdown()
        system.server_close()


def test_the_records_system_is_asked_signed_and_its_word_is_kept(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    entered = CaseFile("manual", "closed", date(2023, 1, 1), entered_by="p-1", confirmed_by="p-2")
    with playing(SECRET) as url:
        settings = AskedSystem(adapter="http", url=url, secret_file=secret, allow_test=True)
        found, by = ask(settings, entered)
        assert found == CaseFile("http", "closed", date(2024, 1, 31), NOW, NOW)  # nobody's entry is left in it
        assert "TEST" in by
        gone, _ = ask(settings, found, replace(ASKED, case_number="SIM-1?"))
        assert (gone.status, gone.purge_on) == ("unknown", date(2024, 1, 31))  # the day that it gave before stays
        refused, _ = ask(settings.model_copy(update={"allow_test": False}), found)
        assert (refused.status, "test answer" in refused.problem) == ("closed", True)
        secret.write_text("whsec_b3RoZXJvdGhlcm90aGVyb3Ro")
        unsigned, _ = ask(settings, found)
        assert (unsigned.purge_on, "401" in unsigned.problem) == (date(2024, 1, 31), True)
    away, by = ask(settings, found)
    assert (away.status, "cannot be reached" in away.problem, by) == ("closed", True, "")
    assert not away.over(date(2026, 11, 1))


def test_answers_are_made_up_in_a_demonstration_only():
    stub = AskedSystem(adapter="stub")
    found, _ = ask(stub)
    assert (found.status, found.problem) == ("", "answers would be made up here")
    demo = replace(ASKED, agency="demo")
    found, _ = ask(stub, question=demo, profile=PROFILES["demo"])
    assert (found.status, found.purge_on) == ("closed", date(2024, 1, 31))


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": ""}, {"url": "http://rms.example/"}, {"url": "https://a:b@rms.example/"}, {"url": "https://rms.example/?x=1"},
        {"url": "https://rms.example/", "secret_file": None}, {"url": "https://rms.example/", "secret_file": "nothing"},
        {"url": "https://rms.example/", "secret_file": "empty"},
    ],
)  # fmt: skip
def test_a_system_that_cannot_be_asked_safely_stops_the_start(tmp_path, wrong):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "empty").write_text("")
    given = {"secret_file": "secret", **wrong}
    given["secret_file"] = tmp_path / given["secret_file"] if given["secret_file"] else None
    with pytest.raises(Misconfigured, match=r"case_files\.escondido"):
        RecordsSystems({"escondido": AskedSystem(adapter="http", **given)}, lambda: NOW)
