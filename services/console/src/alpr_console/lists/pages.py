"""Pages of lists, approvals, hot plates and partial plates: all they show is asked of ingest; forms speak to `/v1`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response

from alprcore.layouts import shipped
from alprcore.model import Person
from alprcore.policy import PERMISSIBLE_USES, AgencyProfile

from ..forwarding import Closed, ask, ask_maybe
from ..web import SignedIn, page_person, pages_of, web_of
from . import rules

Decides = Callable[[Person, AgencyProfile, str, datetime], Awaitable[bool]]
"""Tells whether a person holds a power over lists now, by role or as a designee (administration/)."""
Named = Callable[[str], Awaitable[Mapping[str, str]]]
"""Gives the names of an agency's people by their ids (administration/)."""
AWAY: Final = "Lists do not answer right now. Nothing was changed; matching goes on with what is in force."


def router(decides: Decides, named: Named) -> APIRouter:
    """Give the pages; `decides` tells whom the forms for approvals and shares are shown to, `named` who people are."""
    routes = APIRouter(include_in_schema=False)

    async def powers(request: Request, session: SignedIn) -> dict[str, bool]:
        now = web_of(request).clock()
        held = {power: await decides(session.person, session.profile, power, now) for power in rules.DELEGATED}
        return {**held, "loads": rules.loads_lists(session.person, session.profile)}

    @routes.get("/lists")
    async def lists(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            rows = (await _ask(request, session, "/v1/hotlists"))["hotlists"]
            return {"lists": [rules.shown(row) for row in rows]}

        return await _show(request, session, "lists/lists.html", values)

    @routes.get("/lists/new")
    async def new_list(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            classes = sorted({rule.advisory_class for rule in session.profile.lists} | {"information_only"})
            return {"classes": [(one, rules.code_words(one).capitalize()) for one in classes],
                    "permissible": PERMISSIBLE_USES, "types": rules.NEW_TYPES}  # fmt: skip

        return await _show(request, session, "lists/new.html", values, open_to=rules.loads_lists)

    @routes.get("/lists/{code}")
    async def one_list(request: Request, code: str, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            path = f"/v1/hotlists/{quote(code, safe='')}"
            row = rules.shown(await _ask(request, session, path))
            parts = [f"{path}/{part}" for part in ("loads", "feed", "feed/pulls", "shares", "rollbacks")]
            parts.append("/v1/hotlists/layouts")
            found = await asyncio.gather(*(_maybe(request, session, part) for part in parts))
            loads, feed, pulls, shares, rollbacks, layouts = found
            names = await named(session.person.agency)
            used = rules.last_layout(feed, loads.get("loads", []))
            asked = rules.asked_rollback(rollbacks.get("rollbacks", []), row)
            return {
                "row": row, "names": names, "loads": rules.history(loads.get("loads", []), row["version"], names),
                "feed": feed, "pulls": pulls.get("pulls", [])[: rules.HISTORY_SHOWN], "asked": asked,
                "shares": shares.get("shares", []), "authorisations": shares.get("authorisations", []),
                "layouts": rules.layouts_for(layouts.get("layouts", []), used), "used": used,
                "categories": rules.categories_of(shipped().get(used), row.get("categories_off") or ()),
                "powers": await powers(request, session), "permissible": PERMISSIBLE_USES,
            }  # fmt: skip

        return await _show(request, session, "lists/list.html", values)

    @routes.get("/lists/{code}/loads/{version}")
    async def one_load(request: Request, code: str, version: int, session: SignedIn = Depends(page_person)) -> Response:
        async def values() -> dict[str, Any]:
            path = f"/v1/hotlists/{quote(code, safe='')}/loads/{version}/rejects"
            found = await _ask(request, session, path)
            return {
                "code": code, "version": version, "load": found["load"], "names": await named(session.person.agency),
                "rejects": rules.rejects_shown(found["rejects"]), "reasons": rules.tallied(found["codes"]),
            }  # fmt: skip

        return await _show(request, session, "lists/load.html", values)

    @routes.get("/approvals")
    async def approvals(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        async def whole(row: Mapping[str, Any]) -> dict[str, Any]:
            path = f"/v1/hotlists/{quote(row['code'], safe='')}"
            one, found = await asyncio.gather(
                _maybe(request, session, path), _maybe(request, session, f"{path}/rollbacks")
            )
            return {**rules.shown({**row, **one}), "rollback": rules.asked_rollback(found.get("rollbacks", []), row)}

        async def values() -> dict[str, Any]:
            rows = (await _ask(request, session, "/v1/hotlists"))["hotlists"]
            about = [row for row in rows if row.get("list_type") == "special" or row.get("rollback_to")]
            lists = await asyncio.gather(*(whole(row) for row in about))
            special = [row for row in lists if row.get("list_type") == "special"]
            return {
                "waiting": [row for row in special if not row.get("approved", True)],
                "approved": [row for row in special if row.get("approved", True)],
                "rollbacks": [row for row in lists if row["rollback"]],
                "powers": await powers(request, session), "names": await named(session.person.agency),
            }  # fmt: skip

        return await _show(request, session, "lists/approvals.html", values)

    @routes.get("/hot-plates")
    async def hot_plates(
        request: Request, ended: bool = False, after: str = "", session: SignedIn = Depends(page_person)
    ) -> Response:
        return await _entries(request, session, "hot-plates", ended=ended, after=after)

    @routes.get("/hot-plates/new")
    async def new_hot_plate(request: Request, canvass: str = "", session: SignedIn = Depends(page_person)) -> Response:
        return await _form(request, session, "lists/new_hot_plate.html", canvass=canvass[:64])

    @routes.get("/partial-plates")
    async def partials(
        request: Request, ended: bool = False, after: str = "", session: SignedIn = Depends(page_person)
    ) -> Response:
        return await _entries(request, session, "partial-plates", ended=ended, after=after)

    @routes.get("/partial-plates/new")
    async def new_partial(request: Request, canvass: str = "", session: SignedIn = Depends(page_person)) -> Response:
        return await _form(request, session, "lists/new_partial_plate.html", canvass=canvass[:64])

    return routes


async def _entries(request: Request, session: SignedIn, kind: str, *, ended: bool, after: str) -> Response:
    name = kind.replace("-", "_")

    async def values() -> dict[str, Any]:
        now = web_of(request).clock()
        asked = {"ended": "true"} if ended else {}
        page = await _ask(request, session, f"/v1/{kind}", urlencode(asked | ({"after": after} if after else {})))
        more = None if page["next"] is None else f"/{kind}?{urlencode(asked | {'after': page['next']})}"
        return {
            "entries": [rules.entry_shown(row, now) for row in page[name]], "enters": rules.enters_plates(session.person, session.profile),
            "searches": rules.searches(session.person, session.profile), "limits": rules.limits(session.profile),
            "ended": ended, "more": more, "after": after,
        }  # fmt: skip

    return await _show(request, session, f"lists/{name}.html", values, open_to=rules.reads_plates)


async def _form(request: Request, session: SignedIn, template: str, **more: Any) -> Response:
    async def values() -> dict[str, Any]:
        return {
            "purposes": rules.purposes(session.profile), "limits": rules.limits(session.profile),
            "systems": session.profile.listing.state_systems, "crimes": tuple(rules.CRIME_TYPES.items()),
            "searches": rules.searches(session.person, session.profile), "permissible": PERMISSIBLE_USES, **more,
        }  # fmt: skip

    return await _show(request, session, template, values, open_to=rules.enters_plates)


async def _ask(request: Request, session: SignedIn, path: str, query: str = "") -> dict[str, Any]:
    return await ask(request, session, "ingest", path, query=query, away=AWAY)


async def _maybe(request: Request, session: SignedIn, path: str) -> dict[str, Any]:
    return await ask_maybe(request, session, "ingest", path, away=AWAY)


async def _show(
    request: Request, session: SignedIn, template: str, values: Callable[[], Awaitable[Mapping[str, Any]]],
    *, open_to: Callable[[Person, AgencyProfile], bool] = rules.reads_lists,
) -> Response:  # fmt: skip
    """Render a page of this section, or say in it why there is nothing to show."""
    if not open_to(session.person, session.profile):
        detail = "this page is not open to this role"
        return pages_of(request).render(request, "refused.html", session, 403, detail=detail)
    tabs = [(path, words) for path, words, which in rules.TABS if which(session.person, session.profile)]
    try:
        given = await values()
    except Closed as closed:
        return pages_of(request).render(
            request, "lists/closed.html", session, closed.status, tabs=tabs, detail=closed.detail
        )
    return pages_of(request).render(
        request, template, session, rules=rules, tabs=tabs, zone=session.profile.timezone, **given
    )
