"""The misuse patterns: a made-up year with twelve abusers among 400 officers, and each pattern by itself (ACC-15)."""

import hashlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alpr_audit.patterns import Act, Level, Watch
from tests.fixtures.misuse_year import OFFICERS, START, WEEKS, Year

NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
PACIFIC = ZoneInfo("America/Los_Angeles")


def digest(plate):
    return hashlib.sha256(plate.encode()).digest()


def watch(registry=None):
    return Watch(PACIFIC, {digest(plate): owners for plate, owners in (registry or {}).items()}, digest)


def acts(count=1, *, every=timedelta(hours=1), begin=NOW, **fields):
    who = {"person_id": "p-1", "username": "jdoe", "full_name": "Jane Doe", "session_id": "s-1", "ip": "192.0.2.7"}
    return [Act(**{"index": n, "at": begin + n * every, "kind": "query", **who, **fields}) for n in range(count)]


def feed(watching, *given):
    return [signal for act in given for signal in watching.feed(act)]


@pytest.fixture(scope="module")
def judged():
    """The year, what was flagged in each week, and by which patterns each person was."""
    year = Year()
    watching = watch(year.registry)
    weeks, patterns, partner = defaultdict(set), defaultdict(set), []
    for act in year.acts:
        if act.plate in ("6EXP001", "6EXM002", "6EXF003"):
            partner.append(act.plate)
        for signal in watching.feed(act):
            weeks[(signal.at - START).days // 7].add(signal.person_id)
            if not patterns[signal.person_id]:
                patterns[signal.person_id] = defaultdict(list)
            patterns[signal.person_id][signal.kind].append((signal, partner.count("6EXP001")))
    return year, weeks, patterns


@pytest.mark.requirement("ACC-15", partial="patterns; findings and dispositions are tested over the API")
def test_twelve_abusers_among_400_officers_are_found_and_few_others_are(judged):
    year, weeks, patterns = judged
    assert len(year.abusers) == 12
    found = [number for number, kind in year.abusers.items() if kind in patterns[f"p-{number}"]]
    assert len(found) / len(year.abusers) >= 0.95
    assert max(len(people) for people in weeks.values()) <= 0.02 * OFFICERS
    others = set().union(*weeks.values()) - {f"p-{number}" for number in year.abusers}
    assert sum(len(people - {f"p-{n}" for n in year.abusers}) for people in weeks.values()) <= 0.01 * OFFICERS * WEEKS
    assert others, "a year in which nobody else is ever flagged tests nothing"


@pytest.mark.requirement("ACC-15", partial="patterns; findings and dispositions are tested over the API")
def test_a_former_partner_looked_up_69_24_and_15_times_is_found_by_the_fifth_search(judged):
    year, _, patterns = judged
    first, searches = patterns["p-11"]["repeat_plate"][0]
    assert searches <= 5
    times = [sum(act.plate == plate for act in year.acts) for plate in ("6EXP001", "6EXM002", "6EXF003")]
    assert times == [69, 24, 15]
    assert any(signal.level is Level.CRITICAL for signal, _ in patterns["p-11"]["repeat_plate"])
    assert first.entries


def test_the_same_plate_under_one_case_is_work_and_under_none_is_not():
    day = timedelta(days=1)
    assert feed(watch(), *acts(20, every=day, plate="8TST001", case_number="26-1")) == []
    (signal,) = feed(watch(), *acts(3, every=2 * day, plate="8TST001"))
    assert (signal.kind, signal.entries) == ("repeat_plate", (0, 1, 2))
    invented = [act for n in range(3) for act in acts(1, begin=NOW + n * day, plate="8TST001", case_number=f"26-{n}")]
    assert [signal.kind for signal in feed(watch(), *invented)] == ["repeat_plate"]
    assert feed(watch(), *acts(2, every=day, plate="8TST001"), *acts(1, begin=NOW + 9 * day, plate="8TST001")) == []
    slow = acts(5, every=timedelta(days=20), plate="8TST001")
    assert len(feed(watch(), *slow)) == 1


def test_own_and_colleagues_vehicles_are_known_by_their_hash():
    watching = watch({"8OWN001": frozenset({"jdoe"}), "8COL002": frozenset({"kroe"})})
    case = {"case_number": "26-1"}
    own, peer, worked = (acts(1, plate="8OWN001", **case), acts(1, plate="8COL002"), acts(1, plate="8COL002", **case))
    assert [s.level for s in feed(watching, *own, *acts(1, plate="8OTH003"))] == [Level.ANOMALY]
    assert [s.level for s in feed(watching, *peer)] == [Level.ANOMALY]
    assert [s.level for s in feed(watching, *worked)] == [Level.NOTICE]


def test_an_access_after_the_accounts_end_is_found_in_whichever_order_the_entries_come():
    ended = Act(index=1, at=NOW, kind="account_disabled", subject="p-1")
    opened = Act(index=2, at=NOW + timedelta(hours=2), kind="account_opened", subject="p-1")
    late = acts(1, begin=NOW + timedelta(hours=1), plate="8TST001")
    assert [s.kind for s in feed(watch(), ended, *late)] == ["unauthorised_access"]
    assert [s.kind for s in feed(watch(), *late, ended)] == ["unauthorised_access"]
    assert feed(watch(), ended, *acts(1, begin=NOW + timedelta(seconds=4))) == []  # a call that had begun
    assert feed(watch(), ended, opened, *acts(1, begin=NOW + timedelta(hours=3))) == []
    untrained = acts(1, lacking="alpr")
    assert [(s.kind, s.level) for s in feed(watch(), *untrained)] == [("unauthorised_access", Level.CRITICAL)]


def test_failed_sign_ins_refusals_and_lent_accounts_are_found():
    minute = timedelta(minutes=1)
    failed = acts(5, every=minute, kind="sign_in", outcome="refused")
    assert [s.kind for s in feed(watch(), *failed)] == ["failed_sign_ins"]
    assert feed(watch(), *failed[:4]) == []
    several = [act for n in range(3) for act in acts(1, kind="sign_in", outcome="refused", person_id=f"p-{n}")]
    assert [s.kind for s in feed(watch(), *several)] == ["failed_sign_ins"]
    refusal = {"every": minute, "kind": "refused", "outcome": "refused", "route": "/v1/queries"}
    assert [s.kind for s in feed(watch(), *acts(5, **refusal, status=403))] == ["refused_queries"]
    assert feed(watch(), *acts(9, **refusal, status=422)) == []
    pages = acts(9, **{**refusal, "route": "/audits/entries"}, status=403)
    assert feed(watch(), *pages) == [], "opening pages that are not one's own is no refused search"
    here, there = acts(1, every=minute), acts(1, begin=NOW + minute, session_id="s-2", ip="198.51.100.9")
    back = acts(1, begin=NOW + 2 * minute)
    assert [s.kind for s in feed(watch(), *here, *there, *back)] == ["concurrent_session"]
    assert feed(watch(), *here, *there) == []  # from the station to the car
    told = acts(1, kind="concurrent_session")
    assert [s.kind for s in feed(watch(), *told)] == ["concurrent_session"]


def test_opening_what_a_question_answered_is_no_new_search():
    opened = acts(40, every=timedelta(minutes=1), justification="vehicle seen", plate="8TST001", follows=7)
    assert feed(watch(), *opened) == []


def test_what_no_pattern_looks_back_to_is_forgotten():
    watching = watch()
    for n in range(300):
        who = {"person_id": f"p-{n}", "ip": f"192.0.2.{n % 250}"}
        feed(watching, *acts(1, begin=NOW + n * timedelta(days=1), plate=f"8TST{n:03d}", case_number="26-1", **who))
        failed = acts(
            3, begin=NOW + n * timedelta(days=1), every=timedelta(0), kind="sign_in", outcome="refused", **who
        )
        feed(watching, *failed)
    assert len(watching._people) <= 100
    assert len(watching._addresses) <= 8
    assert sum(len(person.plates) for person in watching._people.values()) <= 100
