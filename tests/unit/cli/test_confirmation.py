"""The kit that an agency's switch must pass: the simulated switch does, and one that errs in any way does not."""

import json
import threading
from datetime import UTC, datetime

import pytest

from alpr_cli.confirmation import Said, checks
from alpr_cli.main import main
from alpr_cli.switch import Switch, server
from alprcore.confirming import Question
from alprcore.workflow import Route, Source

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
QUESTION = Question("", "demo", "7TST001", "US-CA", Source.CLETS, Route.DISPATCH, "kit", datetime.now(UTC))


def now():
    return datetime.now(UTC)


def found(change=lambda status, content, _body: (status, content), secrets=(SECRET,), switch=None):
    """Give the findings about a switch whose answers are changed."""
    switch = switch or Switch((SECRET,))

    def ask(headers, body):
        status, content = change(*switch.answer(body, headers, now()), body)
        return Said(status, {"content-type": "application/json"}, json.dumps(content).encode())

    return [one.what for one in checks(ask, QUESTION, "0NONE08", secrets, now) if one.wrong]


def test_the_simulated_switch_is_as_agreed():
    assert found() == []
    assert found(secrets=(), switch=Switch()) == []


def everything_active(status, content, _body):
    return status, {**content, "result": "active"} if status == 200 else content


def forgets(status, content, _body):
    return status, {**content, "answered_at": now().isoformat()} if status == 200 else content


@pytest.mark.parametrize(
    ("change", "switch", "failed"),
    [
        (everything_active, None, "a plate that no database knows is not active"),
        (forgets, None, "asked again under its request_id it gets the same answer"),
        (lambda s, c, _: (200 if s == 409 else s, c), None, "another plate under a request_id is refused"),
        (lambda s, c, _: (200 if s == 422 else s, c), None, "a question without a plate is refused"),
        (lambda s, c, _: (500 if s == 422 else s, c), None, "a question that is not JSON is refused"),
        (lambda s, c, _: (s, {**c, "extra": 1}), None, "a question is answered in the agreed form"),
        (lambda s, c, _: (302 if s == 200 else s, c), None, "a question is answered in the agreed form"),
        (lambda s, c, _: (s, c), Switch(), "a question without a signature is refused"),
        (lambda s, c, _: (s, c), Switch(), "a question changed after it was signed is refused"),
        (lambda s, c, _: (s, c), Switch(), "a question signed ten minutes ago is refused"),
    ],
)
def test_a_switch_that_errs_is_found_out(change, switch, failed):
    assert failed in found(change, switch=switch)


def test_the_command_asks_a_switch_over_http(tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    made = server(0, Switch((SECRET,)))
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{made.server_port}/"
        assert main(["confirmation", "check", url, "--secret-file", str(secret)]) == 0
        assert "13 of 13 as agreed" in capsys.readouterr().out
        assert main(["confirmation", "check", url]) == 1, "a switch that wants a signature answers nobody else"
        assert "FAIL a question is answered in the agreed form: answered 401" in capsys.readouterr().out
    finally:
        made.shutdown()
        made.server_close()
        thread.join()
    assert main(["confirmation", "check", url]) == 69
    assert main(["confirmation", "check", url, "--secret-file", str(tmp_path / "none")]) == 78
