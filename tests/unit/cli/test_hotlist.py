"""`alpr hotlist` speaks to the console as a program does: a bearer token, then the same doors as people."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alpr_cli.hotlist import progress_line
from alpr_cli.main import main

REPORT = {
    "version": 4, "entries": 1, "added": 1, "changed": 0, "removed": 0, "rejected": 1, "seconds": 0.1, "unchanged": 0,
    "category_off": 2, "lifted": ["LIST_SHRUNK"], "identical": False,
    "rejects": [{"line": 3, "reason_code": "STATE_UNKNOWN"}],
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
        elif self.path.endswith("SVS/previews"):
            guards = [{"rule_id": "HOT-04", "reason_code": "LIST_GREW", "detail": "9 entries instead of 1"}]
            report = {name: value for name, value in REPORT.items() if name != "version"}
            self.answer(200, report | {"guards": guards})
        elif self.path.endswith("SVS/rollbacks"):
            note = json.loads(body)["note"]
            self.answer(201, {"rollback_id": "r-1", "to_version": 3, "note": note})
        elif self.path.endswith("SVS/rollbacks/r-1/approvals"):
            self.answer(201, REPORT | {"rejects": [], "rejected": 0})
        elif self.path.endswith("SVS/dry-runs"):
            alerts = {"alerts": 413, "by_grade": {"exact": 400, "look_alike": 13}}
            self.answer(200, alerts | {"reads": 90000, "since": "2026-01-01T00:00:00Z"})
        elif self.path.endswith("SVS/feed/pulls"):
            self.answer(202, {"asked_at": "2026-01-01T00:00:00Z"})
        elif (b"2721(b)(1)" in body and self.path.endswith("DMV/loads")) or (
            b"8ABC123" in body and b"generic_csv" in body and b"source_time" in body and self.path.endswith("SVS/loads")
        ):
            self.answer(201, REPORT)
        else:
            self.answer(409, {"reason_code": "LIST_SHRUNK", "detail": "1 entries instead of 9"})

    def do_PUT(self):
        self.answer(200, json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def do_GET(self):
        answers = {
            "loads": {"loads": [REPORT | {"mode": "full", "source_time": "2026-01-01T00:00:00Z"}]},
            "feed": {"kind": "folder", "next_at": "2026-01-02T00:00:00Z"},
            "pulls": {"pulls": [{"started_at": "then", "outcome": "loaded", "reason_code": ""}]},
            "hotlists": {"hotlists": [LIST, LIST | {"code": "SLR", "age_s": None, "stale": True}]},
        }
        self.answer(200, answers[self.path.rpartition("/")[2]])

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


def run(console, *words):
    return main(["hotlist", "--console", console, *words])


@pytest.fixture
def file(tmp_path):
    (tmp_path / "list.csv").write_text("plate,state\n8ABC123,CA\nX,ZZ\n8ABC123,CA\n")
    return str(tmp_path / "list.csv")


def test_a_file_is_checked_without_a_server(file, capsys):
    assert main(["hotlist", "validate", file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["accepted"], told["rejected"], told["refused"]) == (1, 2, None)
    assert told["rejects"] == [{"line": 3, "reason_code": "STATE_UNKNOWN"}, {"line": 4, "reason_code": "DUPLICATE"}]
    assert main(["hotlist", "validate", file, "--entries", "7"]) == 1
    assert "LIST_TRUNCATED" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="LAYOUT_UNKNOWN"):
        main(["hotlist", "validate", file, "--layout", "excel"])


def test_a_layout_of_ones_own_is_read_from_its_file(tmp_path, file, capsys):
    (tmp_path / "own.yaml").write_text("name: own\nshape: [\n")
    with pytest.raises(SystemExit, match="LAYOUT_INVALID"):
        main(["hotlist", "validate", file, "--layout", str(tmp_path / "own.yaml")])


def test_a_preview_names_the_guards_that_a_load_would_hit(console, file, capsys):
    assert run(console, "preview", "SVS", file) == 0
    assert "LIST_GREW: 9 entries instead of 1" in capsys.readouterr().out


def test_a_load_says_what_was_left_out_and_lifted(console, file, capsys):
    words = ("load", "SVS", file, "--force", "--note", "counted", "--compared", "RMS=2026-01-01T00:00:00Z")
    assert run(console, *words) == 0
    shown = capsys.readouterr().out
    assert "2 lines of categories that are switched off" in shown
    assert "lifted: LIST_SHRUNK" in shown


def test_a_load_of_registration_data_names_its_permissible_use(console, file, capsys):
    with pytest.raises(SystemExit):
        run(console, "load", "DMV", file)
    assert run(console, "load", "DMV", file, "--permissible-use", "2721(b)(1)") == 0


def test_a_rollback_is_asked_for_and_approved_by_name(console, capsys):
    assert run(console, "rollback", "SVS", "--note", "The state's file was wrong") == 0
    assert "alpr hotlist rollback SVS --approve r-1" in capsys.readouterr().out
    assert run(console, "--json", "rollback", "SVS", "--approve", "r-1") == 0
    assert json.loads(capsys.readouterr().out)["version"] == 4


def test_a_dry_run_tells_the_alerts_of_a_day(console, file, capsys):
    assert run(console, "dry-run", "SVS", file) == 0
    assert "413 alerts of 90000 reads" in capsys.readouterr().out


def test_a_feed_is_shown_set_and_pulled(console, tmp_path, capsys):
    assert run(console, "feed", "SVS") == 0
    assert "kind: folder" in capsys.readouterr().out
    (tmp_path / "feed.json").write_text('{"kind": "https"}')
    assert run(console, "feed", "SVS", "--set", str(tmp_path / "feed.json")) == 0
    assert "kind: https" in capsys.readouterr().out
    assert run(console, "feed", "SVS", "--pull") == 0
    assert "asked_at" in capsys.readouterr().out


def test_the_loads_of_a_list(console, capsys):
    assert run(console, "status", "SVS") == 0
    assert "version 4     full" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("loading", "expected"),
    [
        ({"stage": "reading", "lines": 120_000}, "reading           120,000 lines"),
        ({"stage": "publishing", "published": 500, "buckets": 1000}, "[" + "#" * 20 + "." * 20 + "]  50 %"),
        ({"stage": "publishing", "published": 0, "buckets": 0}, "[" + "." * 40 + "]   0 %"),
    ],
)
def test_progress_is_one_line(loading, expected):
    assert expected in progress_line(loading)


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


@pytest.mark.parametrize("action", [("validate",), ("preview", "SVS"), ("load", "SVS")])
def test_a_file_that_is_not_there_is_said_in_one_line(console, tmp_path, action):
    with pytest.raises(SystemExit, match=r"missing\.csv"):
        run(console, *action, str(tmp_path / "missing.csv"))


def test_a_console_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("ALPR_PASSWORD", "synthetic")
    with pytest.raises(SystemExit, match=r"http://127\.0\.0\.1:9 does not answer .*--console"):
        main(["hotlist", "--console", "http://127.0.0.1:9", "status"])


def test_without_a_keyboard_the_password_is_asked_from_the_environment(console, monkeypatch, tmp_path):
    monkeypatch.delenv("ALPR_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", (tmp_path / "nobody").open("w+"))
    with pytest.raises(SystemExit, match="ALPR_PASSWORD"):
        run(console, "status")
