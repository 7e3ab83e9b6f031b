"""Follows the acts of one agency in the order of the ledger and says what a reviewer should look at.

The thresholds are those of the abuse cases on record: a former partner's plate looked up 69 times, her family's 24 and
15 times; searches of own and colleagues' vehicles; hundreds of plates without a case; shared accounts; accounts that
worked after they were ended. None of them proves misuse: each finding gets a disposition by a person.
"""

from __future__ import annotations

import re
import statistics
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from .acts import ACCESSES, BEGINNING, ENDING, QUERIES, QUERY_ROUTES, Act, Level, Signal

WEEK: Final = timedelta(days=7)
QUARTER: Final = timedelta(days=90)
REPEATS_A_WEEK: Final = 3
REPEATS_LONG: Final = 5
"""Searches of one plate without one case that covers them: 3 in 7 days, or 5 in 90 days, is no coincidence."""
REPEATS_CRITICAL: Final = 10
FAN_OUT_PLATES: Final = 25
FAN_OUT_SPAN: Final = timedelta(hours=1)
OFF_SHIFT_ACTS: Final = 3
OFF_SHIFT_SHARE: Final = 0.05
HISTORY: Final = 25
"""Acts that must be known before a person's usual hours mean anything."""
HISTORY_SPAN: Final = timedelta(days=56)
"""Shifts rotate: hours of three months ago are nobody's usual hours any more."""
AWAY: Final = timedelta(hours=4)
"""Work with a case number or at usual hours this near makes an odd hour a long shift."""
VOLUME_WEEKS: Final = 8
VOLUME_INDEX: Final = 5.0
"""Robust distance from the peers' weekly searches; 1.75 is elevated, 5 an anomaly, 8 critical."""
VOLUME_CRITICAL: Final = 8.0
VOLUME_OWN: Final = 4.0
"""Times the person's own usual week: whoever always searches much for a living is not found every week."""
VOLUME_LEAST: Final = 20
CASELESS_ACTS: Final = 25
CASELESS_ABOVE: Final = 0.45
"""Share of searches without a case number above the peers' share, over four weeks."""
BOILERPLATE_ACTS: Final = 15
BOILERPLATE_SHARE: Final = 0.8
SWITCH_SPAN: Final = timedelta(minutes=15)
ISOLATION: Final = timedelta(hours=8)
ISOLATED_ACTS: Final = 4
MONTH: Final = timedelta(days=28)
FAILURES: Final = 5
FAILURE_SPAN: Final = timedelta(minutes=15)
ADDRESS_ACCOUNTS: Final = 3
REFUSALS: Final = 5
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
TOKEN_LIFE: Final = timedelta(seconds=5)
"""A call that had begun may end: tokens between the services live so long (ACC-11)."""
_NOISE: Final = re.compile(r"[\W\d_]+")
ODD_LIMIT: Final = 100
"""Odd hours of 28 days that are compared; whoever has more is found by the first."""
_TOLD_LIMIT: Final = 200


@dataclass(slots=True)
class _Someone:
    """What is remembered of one person."""

    plates: dict[str, deque[Act]] = field(default_factory=dict)
    week: deque[Act] = field(default_factory=deque)
    month: deque[Act] = field(default_factory=deque)
    hours: deque[tuple[datetime, int]] = field(default_factory=deque)
    usual: Counter[int] = field(default_factory=Counter)
    regular: list[datetime] = field(default_factory=list)
    bare: deque[tuple[Act, str]] = field(default_factory=deque)
    counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    odd: deque[Act] = field(default_factory=deque)
    near: deque[Act] = field(default_factory=deque)
    failures: deque[Act] = field(default_factory=deque)
    refusals: deque[Act] = field(default_factory=deque)
    states: list[tuple[datetime, bool, str]] = field(default_factory=list)


class Watch:
    """Follows one agency. `feed` each act once, in the ledger's order; each occasion is told once.

    `registry` gives the usernames to whom a plate's digest is registered; only digests are known (hashed plates).
    """

    def __init__(
        self, zone: ZoneInfo, registry: Mapping[bytes, frozenset[str]], digest: Callable[[str], bytes]
    ) -> None:
        self.registry = registry
        self._zone, self._digest = zone, digest
        self._people: dict[str, _Someone] = {}
        self._addresses: dict[str, deque[Act]] = {}
        self._told: dict[str, datetime] = {}
        self._baseline: tuple[tuple[int, int], float, float] | None = None
        self._caseless: dict[str, float] = {}
        self._swept: datetime | None = None

    def feed(self, act: Act) -> tuple[Signal, ...]:
        """Take the next act; gives what is new to tell."""
        signals = []
        for signal in self._judge(act):
            if signal.key not in self._told:
                self._told[signal.key] = signal.at
                signals.append(signal)
        self._swept = self._swept or act.at
        if act.at - self._swept > WEEK:
            self._swept = act.at
            self._forget(act.at)
        return tuple(signals)

    def _forget(self, now: datetime) -> None:
        """Drop what no pattern looks back to: memory is bounded by three months of work."""
        self._told = {key: at for key, at in self._told.items() if now - at <= QUARTER}
        self._addresses = {ip: acts for ip, acts in self._addresses.items() if now - acts[-1].at <= FAILURE_SPAN}
        weeks = {(now - n * WEEK).isocalendar()[:2] for n in range(-1, VOLUME_WEEKS + 1)}
        for name, someone in list(self._people.items()):
            someone.plates = {plate: acts for plate, acts in someone.plates.items() if now - acts[-1].at <= QUARTER}
            someone.counts = Counter({week: count for week, count in someone.counts.items() if week in weeks})
            latest = max(
                (acts[-1].at for acts in (someone.month, someone.near, someone.refusals, someone.failures) if acts),
                default=None,
            )
            if not someone.plates and not someone.states and (latest is None or now - latest > QUARTER):
                del self._people[name]

    def _judge(self, act: Act) -> Iterator[Signal]:
        if act.kind in ENDING | BEGINNING:
            yield from self._account(act)
        elif act.kind == "concurrent_session":
            yield _signal(
                "concurrent_session", Level.ANOMALY, act, [act], "a second session from another address", "day"
            )
        elif act.kind == "sign_in":
            yield from self._sign_in(act)
        elif act.kind == "refused":
            yield from self._refused(act)
        elif act.kind in ACCESSES and act.outcome == "ok" and act.person_id:
            someone = self._people.setdefault(act.person_id, _Someone())
            yield from self._unauthorised(someone, act)
            yield from _switching(someone, act)
            if act.kind in QUERIES and act.follows is None:  # opening what a question answered is no new question
                yield from self._query(someone, act)

    def _query(self, someone: _Someone, act: Act) -> Iterator[Signal]:
        _add(someone.week, act, WEEK)
        _add(someone.month, act, MONTH)
        week = act.at.isocalendar()[:2]
        if self._baseline is None or self._baseline[0] != week:
            self._baseline = (week, *self._peers(act.at))
            self._caseless = {name: _caseless_share(person.month) for name, person in self._people.items()}
        someone.counts[week] += 1
        yield from self._hours(someone, act)
        if act.plate:
            yield from _repeats(someone, act)
            yield from self._registered(act)
            yield from _fan_out(someone, act)
        yield from self._volume(someone, act, week)
        yield from self._without_case(someone, act)
        yield from _boilerplate(someone, act)

    def _registered(self, act: Act) -> Iterator[Signal]:
        owners = self.registry.get(self._digest(act.plate), frozenset())
        if not owners:
            return
        own = act.username in owners
        level = Level.ANOMALY if own or not act.case_number else Level.NOTICE
        whose = "the person's own vehicle" if own else "a colleague's vehicle"
        yield _signal(
            "registered_plate", level, act, [act], f"searched {whose}", "week", _short(self._digest(act.plate))
        )

    def _hours(self, someone: _Someone, act: Act) -> Iterator[Signal]:
        hour = act.at.astimezone(self._zone).hour
        while someone.hours and act.at - someone.hours[0][0] > HISTORY_SPAN:
            someone.usual[someone.hours.popleft()[1]] -= 1
        near = sum(someone.usual[(hour + step) % 24] for step in (-1, 0, 1))
        unusual = len(someone.hours) >= HISTORY and near <= OFF_SHIFT_SHARE * len(someone.hours)
        someone.hours.append((act.at, hour))
        someone.usual[hour] += 1
        if act.case_number or not unusual:
            insort(someone.regular, act.at)  # entries of other services may come late
            del someone.regular[: bisect_left(someone.regular, act.at - MONTH)]
            return
        _add(someone.odd, act, MONTH)
        lone = [a for a in list(someone.odd)[-ODD_LIMIT:] if not _same_work(a.at, someone.regular)]
        recent = [a for a in lone if act.at - a.at <= WEEK]
        if len(recent) >= OFF_SHIFT_ACTS and len({a.at.date() for a in recent}) > 1:
            words = f"{len(recent)} searches without case number in 7 days, outside the usual hours and away from other work"
            yield _signal("off_shift", Level.ANOMALY, act, recent, words, "week")
        alone = [
            a
            for n, a in enumerate(lone)
            if all(abs(a.at - b.at) > ISOLATION for b in (*lone[:n][-1:], *lone[n + 1 :][:1]))
        ]
        if len(alone) >= ISOLATED_ACTS:
            words = f"{len(alone)} lone searches in 28 days, hours away from any other work"
            yield _signal("isolated_session", Level.NOTICE, act, alone, words, "month")

    def _peers(self, at: datetime) -> tuple[float, float]:
        """Median and robust spread of the weekly searches of everybody in the last weeks."""
        weeks = [(at - n * WEEK).isocalendar()[:2] for n in range(1, VOLUME_WEEKS + 1)]
        counts = [count for one in self._people.values() for week in weeks if (count := one.counts[week])]
        if len(counts) < HISTORY:
            return 0.0, 0.0
        middle = statistics.median(counts)
        spread = 1.4826 * statistics.median(abs(count - middle) for count in counts)
        return middle, max(spread, middle**0.5, 1.0)

    def _volume(self, someone: _Someone, act: Act, week: tuple[int, int]) -> Iterator[Signal]:
        middle, spread = self._baseline[1:] if self._baseline else (0.0, 0.0)
        count = someone.counts[week]
        if not spread or count < VOLUME_LEAST:
            return
        index = (count - middle) / spread
        if index < VOLUME_INDEX:
            return
        before = [someone.counts[(act.at - n * WEEK).isocalendar()[:2]] for n in range(1, VOLUME_WEEKS + 1)]
        usual = statistics.median([count for count in before if count] or [0])
        if count < VOLUME_OWN * max(usual, 1.0):
            return
        cases = Counter(a.case_number for a in someone.week if a.case_number)
        if cases and cases.most_common(1)[0][1] >= count / 2:
            return  # one case explains the week
        level = Level.CRITICAL if index >= VOLUME_CRITICAL else Level.ANOMALY
        words = f"{count} searches this week; colleagues usually {middle:.0f}, the person {usual:.0f}"
        yield _signal("volume", level, act, someone.week, words, "week")

    def _without_case(self, someone: _Someone, act: Act) -> Iterator[Signal]:
        if act.case_number or len(someone.month) < CASELESS_ACTS or len(self._caseless) < 2:
            return
        share = _caseless_share(someone.month)
        usual = statistics.median(self._caseless.values())
        if share - usual >= CASELESS_ABOVE:
            words = f"{share:.0%} of the searches of 28 days lack a case number; colleagues {usual:.0%}"
            yield _signal("no_case_number", Level.NOTICE, act, someone.month, words, "month")

    def _account(self, act: Act) -> Iterator[Signal]:
        someone = self._people.setdefault(act.subject, _Someone())
        someone.states.append((act.at, act.kind in BEGINNING, act.kind))
        someone.states.sort(key=lambda state: state[0])
        for access in [*someone.week]:  # what came before this word of the account's end did
            yield from self._unauthorised(someone, access)

    def _unauthorised(self, someone: _Someone, act: Act) -> Iterator[Signal]:
        last = next((state for state in reversed(someone.states) if state[0] <= act.at - TOKEN_LIFE), None)
        why = act.lacking or (last[2] if last and not last[1] else "")
        if why:
            words = f"data was shown to a person who was not authorised at that time: {why}"
            yield _signal("unauthorised_access", Level.CRITICAL, act, [act], words, "entry", str(act.index))

    def _sign_in(self, act: Act) -> Iterator[Signal]:
        if act.outcome == "ok":
            return
        if act.person_id:
            someone = self._people.setdefault(act.person_id, _Someone())
            _add(someone.failures, act, FAILURE_SPAN)
            if len(someone.failures) >= FAILURES:
                words = f"{len(someone.failures)} failed sign-ins within 15 minutes"
                yield _signal("failed_sign_ins", Level.ANOMALY, act, someone.failures, words, "day")
        if act.ip:
            tried = self._addresses.setdefault(act.ip, deque())
            _add(tried, act, FAILURE_SPAN)
            if len({a.person_id for a in tried if a.person_id}) >= ADDRESS_ACCOUNTS:
                words = "failed sign-ins to several accounts from one address within 15 minutes"
                yield _signal("failed_sign_ins", Level.ANOMALY, act, tried, words, "day", act.ip)

    def _refused(self, act: Act) -> Iterator[Signal]:
        if not act.person_id or act.status != 403 or act.route not in QUERY_ROUTES:
            return
        someone = self._people.setdefault(act.person_id, _Someone())
        _add(someone.refusals, act, DAY)
        if len(someone.refusals) >= REFUSALS:
            words = f"{len(someone.refusals)} searches or exports refused by policy within a day"
            yield _signal("refused_queries", Level.ANOMALY, act, someone.refusals, words, "day")


def _same_work(at: datetime, regular: list[datetime]) -> bool:
    """Tell whether regular work explains an odd hour: done the same day nearby, or at that hour within a week."""
    hours = ((at + n * DAY, HOUR) for n in range(-7, 8))
    return any(_between(regular, middle - span, middle + span) for middle, span in ((at, AWAY), *hours))


def _between(moments: list[datetime], first: datetime, last: datetime) -> bool:
    place = bisect_left(moments, first)
    return place < len(moments) and moments[place] <= last


def _repeats(someone: _Someone, act: Act) -> Iterator[Signal]:
    searches = someone.plates.setdefault(act.plate, deque())
    _add(searches, act, QUARTER)
    if len(searches) < REPEATS_A_WEEK:
        return
    week, quarter = _unrelated(searches, act.at - WEEK), _unrelated(searches, act.at - QUARTER)
    if week >= REPEATS_A_WEEK or quarter >= REPEATS_LONG:
        level = Level.CRITICAL if quarter >= REPEATS_CRITICAL else Level.ANOMALY
        words = f"the same plate {len(searches)} times in 90 days, {quarter} without one case that covers them"
        first = str(searches[0].index)
        yield _signal("repeat_plate", level, act, searches, words, "month", first)


def _unrelated(searches: deque[Act], since: datetime) -> int:
    """Searches without a case number, and different case numbers: a single case counts once however often it is used."""
    recent = [a for a in searches if a.at > since]
    return sum(not a.case_number for a in recent) + len({a.case_number for a in recent if a.case_number})


def _fan_out(someone: _Someone, act: Act) -> Iterator[Signal]:
    if len(someone.week) < FAN_OUT_PLATES:
        return
    recent = [a for a in someone.week if act.at - a.at <= FAN_OUT_SPAN and a.plate and not a.case_number]
    plates = len({a.plate for a in recent})
    if plates >= FAN_OUT_PLATES:
        yield _signal(
            "fan_out", Level.ANOMALY, act, recent, f"{plates} different plates in an hour without a case", "day"
        )


def _boilerplate(someone: _Someone, act: Act) -> Iterator[Signal]:
    if act.case_number:
        return
    text = _NOISE.sub(" ", act.justification.casefold()).strip()
    someone.bare.append((act, text))
    while act.at - someone.bare[0][0].at > WEEK:
        someone.bare.popleft()
    if not text or len(someone.bare) < BOILERPLATE_ACTS:
        return
    same = [a for a, words in someone.bare if words == text]
    if len(same) >= BOILERPLATE_ACTS and len(same) >= BOILERPLATE_SHARE * len(someone.week):
        words = f"one justification for {len(same)} searches of 7 days, none with a case number"
        yield _signal("boilerplate", Level.NOTICE, act, same, words, "month")


def _switching(someone: _Someone, act: Act) -> Iterator[Signal]:
    """Two sessions at two addresses that take turns: one account, two people."""
    _add(someone.near, act, SWITCH_SPAN)
    turns = [(a.session_id, a.ip) for a in someone.near if a.session_id]
    changes = [one for n, one in enumerate(turns) if n == 0 or turns[n - 1] != one]
    if len({ip for _, ip in changes}) > 1 and len(changes) >= 3 and len({s for s, _ in changes}) > 1:
        words = "two sessions at different addresses took turns within 15 minutes"
        yield _signal("concurrent_session", Level.ANOMALY, act, someone.near, words, "day")


def _caseless_share(acts: deque[Act]) -> float:
    return sum(not a.case_number for a in acts) / len(acts) if acts else 0.0


def _add(acts: deque[Act], act: Act, span: timedelta) -> None:
    acts.append(act)
    while acts and act.at - acts[0].at > span:
        acts.popleft()


def _short(digest: bytes) -> str:
    return digest[:8].hex()


def _signal(
    kind: str, level: Level, act: Act, acts: list[Act] | deque[Act], detail: str, span: str, more: str = ""
) -> Signal:
    moment = act.at.astimezone(UTC)
    year, week, _ = moment.isocalendar()
    occasion = {
        "day": moment.date().isoformat(),
        "week": f"{year}-W{week:02d}",
        "month": f"{moment.year}-{moment.month:02d}",
        "entry": "",
    }[span]
    entries = tuple(sorted({a.index for a in acts}))[-_TOLD_LIMIT:]
    key = f"{kind} {level} {act.person_id} {occasion} {more}".strip()
    return Signal(kind, level, key, act.person_id, act.username, act.full_name, entries, detail, act.at)
