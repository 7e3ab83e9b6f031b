"""Callers who mean harm: forged tokens, broken and huge bodies, injected queries, floods, forged headers."""

import asyncio
import base64
import json
import random
from dataclasses import asdict
from datetime import timedelta

import pytest

from alprcore.model import to_us
from alprcore.policy.refusing import STRANGERS_EACH
from alprcore.seal import SigningKey, sign_person
from tests.fixtures.doors import QUERY, Doors, make_hit, make_read, utc_now

pytestmark = pytest.mark.asyncio

DOMAIN = b"alpr-person-v1\n"


def encode(part):
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forgeries(doors, stranger):
    """Tokens that must not open the door, by what is wrong with them."""
    key, person, now = doors.person_key, doors.person(), utc_now()
    good = sign_person(key, person, now)
    payload, signature = good.split(".")
    fields = {**asdict(person), "issued_us": to_us(now)}

    def made(changed, *, by=key, domain=DOMAIN):
        raw = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        return f"{encode(raw)}.{encode(by.sign(domain + raw))}"

    def without(*names):
        return {name: value for name, value in fields.items() if name not in names}

    promoted = encode(json.dumps({**fields, "roles": ["auditor"]}).encode())
    header = encode(b'{"alg":"none"}')
    return {
        "altered payload": f"{promoted}.{signature}",
        "altered signature": f"{payload}.{encode(bytes(64))}",
        "truncated signature": f"{payload}.{signature[:-4]}",
        "another key": sign_person(stranger, person, now),
        "another domain": made(fields, domain=b""),
        "expired": sign_person(key, person, now - timedelta(seconds=6)),
        "from the future": sign_person(key, person, now + timedelta(minutes=5)),
        "no issue time": made(without("issued_us")),
        "issue time as text": made({**fields, "issued_us": "now"}),
        "issue time beyond time": made({**fields, "issued_us": 10**30}),
        "no person": made(without("person_id")),
        "no roles": made(without("roles")),
        "roles as text": made({**fields, "roles": "auditor"}),
        "roles of numbers": made({**fields, "roles": [1]}),
        "agency as list": made({**fields, "agency": ["demo", "irvine"]}),
        "unknown field": made({**fields, "admin": "yes"}),
        "not an object": made(b"[]"),
        "not JSON": made(b"\xff\xfe"),
        "deep": made(b"[" * 20_000),
        "alg none, no signature": f"{header}.{payload}.",
        "alg none, three parts": f"{header}.{payload}.{signature}",
        "no signature": f"{payload}.",
        "empty parts": ".",
        "one part": "abc",
        "padded": f"{payload}=.{signature}",
        "other alphabet": f"{payload}.{signature}!!",
        "not ASCII": "payload.señal",
        "huge": f"{'A' * 1_000_000}.{signature}",
    }


@pytest.mark.requirement("AUD-09", partial="the doors of audit")
async def test_no_forged_token_opens_a_door_and_each_is_an_entry_or_counted_in_one(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        tokens = forgeries(doors, SigningKey.generate(tmp_path / "stranger.key"))
        assert len(tokens) >= 20
        body = {**QUERY, "criteria": {"plate": "8TST001"}}
        size = before = doors.audit.writer.size
        for name, token in tokens.items():
            headers = {"authorization": f"Person {token}".encode()}
            answer = await doors.http.post("/v1/queries", json=body, headers=headers)
            code = "TOKEN_EXPIRED" if name in {"expired", "from the future"} else "TOKEN_INVALID"
            assert (answer.status_code, answer.json()["reason_code"]) == (401, code), name
            size = min(size + 1, before + STRANGERS_EACH)
            assert doors.audit.writer.size == size, name
        await doors.audit.door.refusals.flush(ending=True)
        rows = await doors.audit.door.store.log("", 2**62, "refused", 200)  # nobody's agency
        counted = [row["entry"]["facts"] for row in rows if "count" in row["entry"]["facts"]]
        assert sum(int(facts["count"]) for facts in counted) == len(tokens) - STRANGERS_EACH
        for value, code in (("", "TOKEN_MISSING"), ("Person ", "TOKEN_MISSING"), ("Bearer x.y", "TOKEN_MISSING")):
            answer = await doors.http.post("/v1/queries", json=body, headers={"authorization": value})
            assert (answer.status_code, answer.json()["reason_code"]) == (401, code)
        assert await doors.log("query") == []
        assert (await doors.ask({"plate": "8TST001"})).status_code == 200, "the good token is good"


def bodies():
    """Bodies that no door may choke on."""
    whole = {**QUERY, "criteria": {"plate": "8TST001"}}

    def with_criteria(**criteria):
        return json.dumps({**whole, "criteria": criteria}).encode()

    return {
        "empty": (b"", 422),
        "not JSON": (b"{", 422),
        "a list": (b"[]", 422),
        "null": (b"null", 422),
        "not UTF-8": (b'{"purpose_code": "\xff\xfe"}', 422),
        "UTF-16": (json.dumps(whole).encode("utf-16"), 422),
        "NUL": (with_criteria(device_id="a\x00b"), 422),
        "raw NUL": (b'{"purpose_code": "a\x00b"}', 422),
        "lone surrogate": (b'{"justification": "\\ud800 and more words here", "criteria": {}}', 422),
        "surrogate as a name": (b'{"\\udfff": 1, "criteria": {}}', 422),
        "deep list": (b"[" * 60_000, 422),
        "deep object": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 422),
        "deep criteria": (b'{"criteria":' + b'{"area":' * 6_000 + b"1" + b"}" * 6_001, 422),
        "huge number": (json.dumps({**whole, "limit": 10**400}).encode(), 422),
        "infinite number": (json.dumps(whole).encode()[:-1] + b', "limit": 1e999}', 422),
        "long integer": (json.dumps(whole).encode()[:-1] + b', "limit": ' + b"9" * 40_000 + b"}", 422),
        "huge approval": (json.dumps({**whole, "approval_id": 2**63}).encode(), 422),
        "negative limit": (json.dumps({**whole, "limit": -1}).encode(), 422),
        "NaN area": (with_criteria(area={"south": float("nan"), "west": 0, "north": 1, "east": 1}), 422),
        "huge area": (with_criteria(area={"south": -1e308, "west": 0, "north": 1e308, "east": 1}), 422),
        "year 0": (with_criteria(captured_from="0000-01-01T00:00:00Z"), 422),
        "year 99999": (with_criteria(captured_from="99999-01-01T00:00:00Z"), 422),
        "time without zone": (with_criteria(captured_from="2026-01-01T00:00:00"), 422),
        "boolean as text": (with_criteria(plate="8TST001", lookalike="yes"), 422),
        "many devices": (with_criteria(device_ids=["d"] * 101), 422),
        "64 KiB and more": (json.dumps({**whole, "justification": "x" * 70_000}).encode(), 413),
        "10 MB": (b" " * 10_000_000, 413),
    }


async def test_broken_huge_and_deep_bodies_are_clear_refusals(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        paths = ("/v1/queries", "/v1/hit-queries", "/v1/exports", "/v1/image-views", "/v1/queries/1/case-number")
        size = doors.audit.writer.size
        for name, (body, status) in bodies().items():
            for path in paths if name in {"empty", "deep list", "NUL", "10 MB", "not UTF-8"} else paths[:1]:
                answer = await doors.http.post(path, content=body, headers=doors.auth())
                assert answer.status_code == status, (name, path, answer.text)
                assert answer.json()["reason_code"] in {"CRITERIA_INVALID", "BODY_TOO_LARGE"}, (name, answer.text)
                assert doors.audit.writer.size == (size := size + 1), (name, path)
                assert "8TST001" not in answer.text
        assert await doors.log("query") == []


def mutated(value, chance):
    """The same value with one part replaced, removed, doubled or nested by chance."""
    odd = (
        None,
        True,
        -1,
        2**70,
        1e300,
        "",
        "\u202e*?%_'\"",
        "x" * 5000,
        [],
        [[]],
        {},
        {"a": {"b": []}},
        ["8TST001"] * 3,
    )
    if isinstance(value, dict) and value and chance.random() < 0.8:
        changed = dict(value)
        name = chance.choice(sorted(changed))
        match chance.randrange(4):
            case 0:
                changed.pop(name)
            case 1:
                changed[name + "x"] = changed[name]
            case _:
                changed[name] = mutated(changed[name], chance)
        return changed
    return chance.choice(odd)


async def test_mutated_questions_end_in_an_answer_or_a_refusal(pg_database, tmp_path):
    chance = random.Random(20260302)
    everything = {
        **QUERY, "limit": 10, "after": "", "offense_code": "459 PC", "approval_id": 1, "source": "local",
        "no_case_number_reason": "being written", "on_behalf_of": "sergeant",
        "criteria": {"plate": "8TST001", "partial": "", "lookalike": True, "state": "CA", "device_ids": ["d1"],
                     "captured_from": "2026-01-01T00:00:00Z", "captured_to": "2026-01-02T00:00:00Z",
                     "area": {"south": 33, "west": -118, "north": 34, "east": -117}, "polygon": [], "list_code": "SVS",
                     "device_id": "d1", "own_detections": False},
    }  # fmt: skip
    seen = set()
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read("9XYZ222"))
        for turn in range(120):
            question = everything
            for _ in range(chance.randrange(1, 4)):
                question = mutated(question, chance)
            path = ("/v1/queries", "/v1/hit-queries")[turn % 2]
            answer = await doors.http.post(path, content=json.dumps(question).encode(), headers=doors.auth())
            assert answer.status_code in {200, 403, 413, 422}, (question, answer.text)
            assert "9XYZ222" not in answer.text or "plate" not in question["criteria"], question
            seen.add(answer.status_code)
        assert seen >= {200, 422}, "both an answer and a refusal are reached"


async def test_a_body_that_drips_is_given_up(pg_database, tmp_path, monkeypatch):
    monkeypatch.setattr("alpr_audit.api.shapes.BODY_SECONDS", 0.3)

    async def drip():
        yield b"{"
        await asyncio.sleep(30)
        yield b"}"

    async with Doors(pg_database, tmp_path) as doors:
        answer = await asyncio.wait_for(doors.http.post("/v1/queries", content=drip(), headers=doors.auth()), 10)
        assert (answer.status_code, answer.json()["reason_code"]) == (408, "BODY_TOO_SLOW")


INJECTIONS = (
    "' OR 1=1 --", "'; DROP TABLE retention.reads; --", '" OR ""="', "8TST001' UNION SELECT * FROM audit.personal --",
    "$1", "%s", "{{7*7}}", "${7*7}", "<script>alert(1)</script>", "\\'; SELECT pg_sleep(5); --", "*)(uid=*",
    "../../etc/passwd", "%27%20OR%201=1", "demo,irvine", "{irvine}", "__import__('os')",
)  # fmt: skip


async def test_injected_texts_are_texts(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        mine, theirs = make_read("8TST001", number=1), make_read("9XYZ222", number=2, agency="irvine")
        await doors.keep(mine, theirs, hits=[make_hit(mine), make_hit(theirs)])
        for text in INJECTIONS:
            for field in ("plate", "device_id", "partial", "state", "list_code")[: 5 if text in INJECTIONS[:4] else 2]:
                for path in ("/v1/queries", "/v1/hit-queries")[: 2 if text in INJECTIONS[:4] else 1]:
                    if len(text) > {"plate": 32, "partial": 32, "state": 16}.get(field, 64):
                        continue
                    question = {**QUERY, "criteria": {field: text}, "justification": f"stolen vehicle series {text}"}
                    answer = await doors.http.post(path, json=question, headers=doors.auth())
                    assert answer.status_code in {200, 422}, (field, text, answer.text)
                    assert "9XYZ222" not in answer.text
                    assert answer.json().get("rows", []) == [], (field, text)
            bad = await doors.ask({"plate": "8TST001"}, after=text)
            assert bad.status_code == 422
            for path in (f"/v1/reads/{text[:36]}?query_id=1", f"/v1/reads/x?query_id={text}"):
                answer = await doors.http.get(path.replace("\\", "").replace("#", ""), headers=doors.auth())
                assert answer.status_code in {403, 404, 422}, (path, answer.text)
        assert len((await doors.ask({"plate": "8TST001"})).json()["rows"]) == 1
        kept = {entry["personal"]["reasons"]["justification"] for entry in await doors.log("query")}
        assert kept, "what was asked stands in the ledger word for word"


async def test_too_many_questions_are_refused_and_recorded(pg_database, tmp_path, monkeypatch):
    limits = {"queries_per_minute": 5, "agency_queries_per_minute": 8, "exports_per_hour": 1, "views_per_minute": 2}
    async with Doors(pg_database, tmp_path, **limits) as doors:
        later = [timedelta(0)]
        monkeypatch.setattr("tests.fixtures.doors.utc_now", lambda: utc_now() + later[0])
        doors.audit.door.clock = lambda: utc_now() + later[0]
        who = [doors.person(person_id=f"p-{n}", username=f"u{n}") for n in range(3)]

        async def statuses(person, times):
            return [(await doors.ask({"plate": "8TST001"}, person=person)).status_code for _ in range(times)]

        assert await statuses(who[0], 7) == [200] * 5 + [429] * 2
        answer = await doors.ask({"plate": "8TST001"}, person=who[0])
        assert answer.json()["reason_code"] == "RATE_LIMITED"
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert await statuses(who[1], 5) == [200] * 3 + [429] * 2, "the agency's limit"
        other = doors.person(person_id="p-9", agency="irvine")
        assert await statuses(other, 1) == [200], "another agency's people are not held up"
        refused = await doors.log("refused")
        assert [entry["entry"]["reason_code"] for entry in refused] == ["RATE_LIMITED"] * 5
        assert {entry["personal"]["person"]["person_id"] for entry in refused} == {"p-0", "p-1"}
        later[0] = timedelta(seconds=60)
        first = await doors.ask({"plate": "8TST001"}, person=who[0])
        assert first.status_code == 200
        body = {"query_id": first.json()["query_id"], "format": "json", "purpose_code": "criminal_investigation",
                "justification": "attachment to the burglary report"}  # fmt: skip
        taken = [
            (await doors.http.post("/v1/exports", json=body, headers=doors.auth(who[0]))).status_code for _ in "ab"
        ]
        assert taken == [201, 429]
        path = f"/v1/reads/x?query_id={body['query_id']}"
        opened = [(await doors.http.get(path, headers=doors.auth(who[0]))).status_code for _ in range(3)]
        assert opened == [403, 403, 429]


async def test_a_flood_at_once_is_counted_whole(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, queries_per_minute=30) as doors:
        answers = await asyncio.gather(*(doors.ask({"plate": "8TST001"}) for _ in range(40)))
        assert sorted(answer.status_code for answer in answers) == [200] * 30 + [429] * 10


async def test_an_entry_answers_once_even_when_asked_at_the_same_time(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        store = doors.audit.door.store
        first = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        again = await asyncio.gather(*(store.search(first) for _ in range(4)), return_exceptions=True)
        assert all("LEDGER_ENTRY_USED" in str(error) for error in again)


async def test_a_restart_gives_nobody_a_fresh_minute(pg_database, tmp_path):
    """What was answered stands in the ledger: whoever answers next counts on from there."""
    limits = {"queries_per_minute": 3, "views_per_minute": 1, "exports_per_hour": 1}
    async with Doors(pg_database, tmp_path, **limits) as doors:
        read = make_read()
        await doors.keep(read)
        first = (await doors.ask({"plate": "8TST001"})).json()
        path = f"/v1/reads/{read.read_id}?query_id={first['query_id']}"
        assert (await doors.http.get(path, headers=doors.auth())).status_code == 200
        body = {"query_id": first["query_id"], "format": "json", "purpose_code": "criminal_investigation",
                "justification": "attachment to the burglary report"}  # fmt: skip
        assert (await doors.http.post("/v1/exports", json=body, headers=doors.auth())).status_code == 201
    async with Doors(pg_database, tmp_path, **limits) as doors:
        assert (await doors.http.get(path, headers=doors.auth())).status_code == 429
        other = doors.person(person_id="p-2", username="other")
        assert [(await doors.ask({"plate": "8TST001"})).status_code for _ in "ab"] == [200, 429], (
            "one query, one export"
        )
        assert (await doors.ask({"plate": "8TST001"}, person=other)).status_code == 200
    async with Doors(pg_database, tmp_path, exports_per_hour=1) as doors:
        answers = [await doors.http.post("/v1/exports", json=body, headers=doors.auth()) for _ in "a"]
        assert [answer.status_code for answer in answers] == [429]
