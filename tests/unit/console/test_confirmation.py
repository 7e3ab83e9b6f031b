"""Who tells whether an entry is active: whatever goes wrong on the way confirms nothing, and made-up answers say so."""

import asyncio
import gzip
import json
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alpr_cli.switch import Switch, server
from alpr_console.confirmation import Confirmations
from alprcore.calling import AskedSystem
from alprcore.confirming import TEST, Question, answer_of, body_of, headers_of, stub_answer
from alprcore.errors import Misconfigured
from alprcore.hooks import signatures
from alprcore.profiles import load_profiles
from alprcore.workflow import Result, Route, Source
from tests.fixtures.certificates import Certificates

PROFILES = load_profiles()
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
QUESTION = Question("q-1", "demo", "7TST001", "US-CA", Source.CLETS, Route.DISPATCH, "jdoe", datetime.now(UTC))
REAL = {"test": False, "text": "STOLEN VEHICLE", "reference": "FCN 1", "answered_by": "switch 1"}


def now():
    return datetime.now(UTC)


@contextmanager
def serving(made):
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}/confirm"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def saying(status, headers, content, *, seen=None, slow=0.0):
    """Make a switch that says one thing to whatever it is asked; `content` takes the question."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = self.rfile.read(int(self.headers["content-length"]))
            if seen is not None:
                seen.append(self.path)
            time.sleep(slow)
            body = content(json.loads(asked)) if callable(content) else content
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Door)


def given(**changes):
    """Answer a question as a database would, but for the changes."""
    return lambda asked: json.dumps(
        {
            **answer_of(QUESTION, replace(stub_answer(QUESTION, now()), test=False), now()),
            **REAL,
            "request_id": asked["request_id"],
            **changes,
        }
    ).encode()


async def ask(settings, question=QUESTION, profile=None):
    confirmations = Confirmations({question.agency: AskedSystem(**settings)}, now)
    try:
        return await confirmations.ask(profile or PROFILES[question.agency], replace(question, asked_at=now()))
    finally:
        await confirmations.close()


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


def http(url, secret, **more):
    return {"adapter": "http", "url": url, "secret_file": secret, **more}


@pytest.mark.asyncio
async def test_an_agency_without_a_setting_has_people_who_type_the_answer():
    confirmations = Confirmations({}, now)
    assert confirmations.adapter_of("roseville") == "manual"
    found = await confirmations.ask(PROFILES["roseville"], replace(QUESTION, agency="roseville"))
    assert (found.result, bool(found.failure)) == (Result.ERROR, True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("plate", "result"),
    [("7TST001", "active"), ("7TST007", "not_active"), ("7TST008", "no_record"), ("7TST009", "error")],
)
async def test_the_stub_answers_the_same_each_time_and_says_test_in_every_text(plate, result):
    question = replace(QUESTION, plate=plate)
    found = [await ask({"adapter": "stub"}, question) for _ in range(2)]
    assert [one.result for one in found] == [result, result]
    assert found[0].text == found[1].text
    for one in found:
        assert one.test
        assert all(TEST in text for text in (one.text, one.reference, one.answered_by))


@pytest.mark.asyncio
async def test_a_stub_does_not_start_for_an_agency_that_works_for_real():
    confirmations = Confirmations({"roseville": AskedSystem(adapter="stub")}, now)
    with pytest.raises(Misconfigured, match="roseville"):
        confirmations.check(PROFILES)
    with pytest.raises(Misconfigured, match="nowhere"):
        Confirmations({"nowhere": AskedSystem(adapter="stub")}, now).check(PROFILES)
    Confirmations({"demo": AskedSystem(adapter="stub")}, now).check(PROFILES)
    Confirmations({"roseville": AskedSystem(adapter="stub", allow_test=True)}, now).check(PROFILES)
    question = replace(QUESTION, agency="roseville")
    found = await confirmations.ask(PROFILES["roseville"], question)
    assert (found.result, found.test) == (Result.ERROR, False), "a profile that lost its watermark confirms nothing"


@pytest.mark.asyncio
async def test_a_switch_is_asked_signed_and_its_answer_believed(secret):
    with serving(server(0, Switch((SECRET,)))) as url:
        found = await ask(http(url, secret))
        assert (found.result, found.test, TEST in found.text) == (Result.ACTIVE, True, True)
        real = await ask(http(url, secret), replace(QUESTION, request_id="q-2", agency="roseville"))
        assert (real.result, TEST in real.failure) == (Result.ERROR, True), "a test answer confirms nothing for real"
        allowed = await ask(http(url, secret, allow_test=True), replace(QUESTION, request_id="q-3", agency="roseville"))
        assert (allowed.result, allowed.test) == (Result.ACTIVE, True)
    with serving(saying(200, {}, given())) as url:
        found = await ask(http(url, secret), replace(QUESTION, agency="demo"))
        assert (found.result, found.text, found.failure, found.test) == (Result.ACTIVE, "STOLEN VEHICLE", "", False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (500, {}, given()),
        (201, {}, given()),
        (302, {"location": "/elsewhere"}, given()),
        (200, {"content-type": "text/html"}, given()),
        (200, {"content-encoding": "gzip"}, lambda asked: gzip.compress(given()(asked))),
        (200, {}, b""),
        (200, {}, b"[]"),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[" * 60_000),
        (200, {}, lambda asked: given()(asked).replace(b'"result": ', b'"result": "no_record", "result": ', 1)),
        (200, {}, given(text="x" * 70_000)),
        (200, {}, given(text="x" * 8_001)),
        (200, {}, given(plate="7TST002")),
        (200, {}, given(state="US-NV")),
        (200, {}, given(source="NCIC")),
        (200, {}, given(request_id="another")),
        (200, {}, given(result="ACTIVE")),
        (200, {}, given(result="confirmed")),
        (200, {}, given(result=True)),
        (200, {}, given(test=None)),
        (200, {}, given(test="false")),
        (200, {}, given(test=True)),
        (200, {}, given(more=1)),
        (200, {}, given(answered_by="")),
        (200, {}, given(reference="a\nb")),
        (200, {}, given(text="a\x00b")),
        (200, {}, given(form="alpr.confirmation.v2")),
        (200, {}, given(answered_at="2026-11-20")),
        (200, {}, given(answered_at=(now() - timedelta(hours=1)).isoformat())),
        (200, {}, given(answered_at=(now() + timedelta(hours=1)).isoformat())),
    ],
)
async def test_an_answer_that_is_not_as_agreed_confirms_nothing(secret, status, headers, content):
    seen = []
    with serving(saying(status, headers, content, seen=seen)) as url:
        found = await ask(http(url, secret))
    assert (found.result, found.text, found.reference) == (Result.ERROR, "", "")
    assert found.failure
    assert "7TST" not in found.failure
    assert seen == ["/confirm"], "nothing is followed, and nothing is asked twice"


@pytest.mark.asyncio
async def test_a_switch_that_is_away_or_slow_confirms_nothing(secret):
    assert (await ask(http("http://127.0.0.1:9/confirm", secret))).result is Result.ERROR
    with serving(saying(200, {}, given(), slow=0.6)) as url:
        begun = asyncio.get_running_loop().time()
        found = await ask(http(url, secret, timeout_s=0.2))
        assert (found.result, "0.2 s" in found.failure) == (Result.ERROR, True)
        assert asyncio.get_running_loop().time() - begun < 0.6


def test_a_question_is_the_same_bytes_each_time_and_signed_as_standard_webhooks():
    headers = headers_of(QUESTION, (SECRET,), now())
    assert body_of(QUESTION) == body_of(replace(QUESTION))
    assert headers["idempotency-key"] == headers["webhook-id"] == QUESTION.request_id
    wanted = signatures([SECRET], QUESTION.request_id, int(headers["webhook-timestamp"]), body_of(QUESTION))
    assert headers["webhook-signature"] == wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"url": ""},
        {"url": "http://switch.example/confirm"},
        {"url": "https://user:word@switch.example/confirm"},
        {"url": "https://switch.example/confirm?plate=1"},
        {"secret_file": None},
    ],
)
def test_a_switch_that_cannot_be_asked_safely_stops_the_start(secret, changes):
    settings = {**http("https://switch.example/confirm", secret), **changes}
    with pytest.raises(Misconfigured, match=r"confirmations\.demo"):
        Confirmations({"demo": AskedSystem(**settings)}, now)


@pytest.mark.parametrize("content", ["", "whsec_???", "plain"])
def test_a_secret_that_is_none_stops_the_start(tmp_path, content):
    (tmp_path / "bad").write_text(content)
    settings = http("https://switch.example/confirm", tmp_path / "bad")
    with pytest.raises(Misconfigured, match=r"confirmations\.demo"):
        Confirmations({"demo": AskedSystem(**settings)}, now)


@pytest.mark.asyncio
async def test_a_switch_that_knows_us_by_our_certificate(tmp_path):
    made = Certificates(tmp_path)
    door = saying(200, {}, given())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server_cert, made.server_key)
    context.load_verify_locations(made.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    door.socket = context.wrap_socket(door.socket, server_side=True)
    ours = {"cert_file": made.client_cert, "key_file": made.client_key, "ca_file": made.ca}
    with serving(door) as url:
        ours["url"] = url.replace("http://127.0.0.1", "https://localhost")
        found = await ask({"adapter": "http", **ours})
        assert (found.result, found.failure) == (Result.ACTIVE, "")
        stranger = await ask({"adapter": "http", **ours, "ca_file": None})
        assert stranger.result is Result.ERROR, "a certificate that nobody we trust signed"
