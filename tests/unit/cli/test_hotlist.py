"""`alpr hotlist` speaks to the console as a program does: a bearer token, then the same doors as people."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alpr_cli.main import main

REPORT = {
    "version": 4, "entries": 1, "added": 1, "changed": 0, "removed": 0, "rejected": 1, "seconds": 0.1,
    "rejects": [{"number": 3, "reason_code": "STATE_UNKNOWN"}],
}  # fmt: skip
LIST = {"code": "SVS", "name": "Stolen vehicles", "version": 4, "entries": 1, "age_s": 7200, "stale": False}


class Console(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/session":
            asked = json.loads(body)
            good = asked == {"username": "administrator", "password": "secret", "bearer": True}
            self.answer(200, {"token": "t1"}) if good else self.answer(401, {"reason_code": "SIGN_IN_REFUSED"})
        elif self.headers["authorization"] != "Bearer t1":
            self.answer(401, {"reason_code": "SESSION_UNKNOWN"})
        elif (
            b"8ABC123" in body and b"generic_csv" in body and b"source_time" in body and self.path.endswith("SVS/loads")
        ):
            self.answer(201, REPORT)
        else:
            self.answer(409, {"reason_code": "LIST_SHRUNK", "detail": "1 entries instead of 9"})

    def do_GET(self):
        self.answer(200, {"hotlists": [LIST, LIST | {"code": "SLR", "age_s": None, "stale": True}]})

    def answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def console(monkeypatch):
    monkeypatch.setenv("ALPR_PASSWORD", "secret")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Console)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_list_is_loaded_and_rejects_are_named_by_line(console, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("plate,state\n8ABC123,CA\nX,ZZ\n")
    assert main(["hotlist", "--console", console, "load", "SVS", str(tmp_path / "list.csv")]) == 0
    shown = capsys.readouterr()
    assert "SVS version 4: 1 entries" in shown.out
    assert "line 3: STATE_UNKNOWN" in shown.err


def test_a_refusal_ends_with_its_code(console, tmp_path):
    (tmp_path / "list.csv").write_text("plate\n")
    with pytest.raises(SystemExit, match="LIST_SHRUNK"):
        main(["hotlist", "--console", console, "load", "SVS", str(tmp_path / "list.csv")])


def test_a_wrong_password(console, monkeypatch):
    monkeypatch.setenv("ALPR_PASSWORD", "wrong")
    with pytest.raises(SystemExit, match="SIGN_IN_REFUSED"):
        main(["hotlist", "--console", console, "status"])


def test_the_state_of_lists(console, capsys):
    assert main(["hotlist", "--console", console, "status"]) == 0
    shown = capsys.readouterr().out
    assert "2.0 h old" in shown
    assert "never loaded, STALE" in shown
