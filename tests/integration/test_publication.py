"""The guidelines and the public page say what is configured, and nothing is published that is not approved."""

import pytest

from alpr_console import metrics
from alprcore.audited import covered
from alprcore.model import make_id
from tests.fixtures.desk import desk

pytestmark = pytest.mark.asyncio
ASKED = ("westminster", "roseville")
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
TITLES = {
    "irvine": "Support Services Commander",
    "westminster": "Professional Standards Unit Commander",
    "escondido": "ALPR System Administrator",
    "roseville": "Services Division Captain",
}
DESIGNEE = {
    "governance.designee_title": "Lieutenant",
    "governance.designee_name": "Alex Example",
    "governance.designee_since": "2027-01-15",
}


async def make_set(made, agency, status=201):
    return await made.post("/v1/guidelines", made.as_("program_manager", agency), status=status)


def section(answer, letter):
    found = next(part for part in answer["sections"] if part["letter"] == letter)
    return " ".join([*found["text"], *found["items"]])


async def add_course(made, agency, tag, version):
    await made.sql(
        "INSERT INTO console.courses (course_id, agency, name, version, tags, created_by, created_at, approved_by,"
        " approved_at) VALUES ($1, $2, 'ALPR basics', $3, $4, 'p', $5, 'p', $5)",
        make_id("course", agency, tag, version), agency, version, [tag], made.now,
    )  # fmt: skip


async def published(made, agency):
    manager = made.as_("program_manager", agency)
    number = (await make_set(made, agency))["number"]
    await made.post(f"/v1/guidelines/{number}/approvals", manager)
    await made.post(f"/v1/guidelines/{number}/publications", manager)
    return number


@pytest.mark.requirement("ADM-01")
@pytest.mark.parametrize("agency", ASKED)
async def test_a_set_with_an_empty_section_is_not_approved(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        manager = made.as_("program_manager", agency)
        first = await make_set(made, agency)
        assert first["empty"] == ["e"]
        refused = await made.post(f"/v1/guidelines/{first['number']}/approvals", manager, status=422)
        assert refused["reason_code"] == "GUIDELINE_SECTION_EMPTY"
        assert "section e" in refused["detail"]

        await made.put_in_force(agency, DESIGNEE)
        second = await make_set(made, agency)
        assert second["empty"] == []
        assert [part["letter"] for part in second["sections"]] == list("abcdefg")
        assert "Lieutenant Alex Example, since 2027-01-15" in section(second, "e")
        titles = made.policies[agency].governance
        assert all(title in section(second, "a") for title in (*titles.titles, *titles.contractor_titles))
        assert "independent contractor" in section(second, "a")
        assert "1 year from arrival on the server" in section(second, "f")
        assert "without signing in" in section(second, "g")
        for role in ("alpr_admin", "officer"):
            who = made.as_(role, agency)
            path = f"/v1/guidelines/{second['number']}/approvals"
            assert (await made.post(path, who, status=403))["reason_code"] == "ROLE_NOT_AUTHORISED"
        approved = await made.post(f"/v1/guidelines/{second['number']}/approvals", manager)
        assert approved["approved_title"] == titles.program_manager
        assert [event.facts["number"] for event in await made.events("guidelines_approved")] == ["2"]


@pytest.mark.requirement("TRN-07")
@pytest.mark.parametrize("agency", ASKED)
async def test_section_b_shows_the_course_as_it_is_now(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        assert "no course is approved yet" in section(await make_set(made, agency), "b")
        await add_course(made, agency, "alpr", "2027-1")
        first = section(await make_set(made, agency), "b")
        assert "ALPR basics, version 2027-1, approved 2027-03-01" in first
        made.later(days=40)
        await add_course(made, agency, "alpr", "2027-2")
        await made.put_in_force(agency, {"access.policy_review_days": 180, **DESIGNEE})
        second = section(await make_set(made, agency), "b")
        assert "version 2027-2, approved 2027-04-10" in second
        assert "every 180 days" in second
        number = await published(made, agency)
        shown = await made.get(f"/public/policy?agency={agency}", {"accept": "application/json"}, 404)
        assert shown["reason_code"] == "AGENCY_UNKNOWN"  # nobody of the agency works here yet
        await made.employ(made.as_("program_manager", agency))
        shown = await made.get("/public/policy", {"accept": "application/json"})
        assert shown["guidelines"]["number"] == number
        assert "version 2027-2, approved 2027-04-10" in section(shown["guidelines"], "b")


@pytest.mark.requirement("RET-12", partial="the key in public; packages are tested with retention")
async def test_anybody_finds_the_key_that_verifies_evidence_packages(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        await made.employ(made.as_("program_manager", "irvine"))
        silent = await made.get("/public/policy?agency=irvine", {"accept": "application/json"})
        assert silent["evidence_key"] is None  # retention is away: the page is there all the same
        key = {"sha256": "ab" * 32, "pem": "-----BEGIN PUBLIC KEY-----\nbWFkZSB1cA==\n-----END PUBLIC KEY-----\n"}
        made.doors.answers["/v1/evidence-key"] = (200, key)
        made.later(minutes=6)
        shown = await made.get("/public/policy?agency=irvine", {"accept": "application/json"})
        assert shown["evidence_key"] == key
        page = await made.http.get("/public/policy?agency=irvine")
        assert key["sha256"] in page.text
        assert "BEGIN PUBLIC KEY" in page.text
        asked = [one for one in made.doors.asked if one[2] == "/v1/evidence-key"]
        assert [one[3] for one in asked] == [None, None]  # as nobody, and not again for every visitor


@pytest.mark.requirement("AUD-11")
@pytest.mark.parametrize("agency", ASKED)
async def test_section_c_shows_the_last_audit_after_its_closure(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        made.doors.answers["/v1/audit/overview"] = (200, {"last_audit": None, "alerts": []})
        before = section(await make_set(made, agency), "c")
        assert "Last audit closed: none yet." in before
        assert "every calendar quarter" in before
        made.doors.answers["/v1/audit/overview"] = (
            200, {"last_audit": {"period": "2027-Q1", "closed_at": "2027-04-12T16:00:00+00:00"}},
        )  # fmt: skip
        made.doors.answers["/v1/audit/verify"] = (200, {"sound": True, "size": 812})
        after = section(await make_set(made, agency), "c")
        assert "Last audit closed: 2027-04-12, for 2027-Q1." in after
        assert "every entry is as it was written" in after
        assert ("User queries are audited" in after) is (agency == "roseville")
        made.doors.answers["/v1/audit/verify"] = (200, {"sound": False})
        assert "a changed or missing entry was found" in section(await make_set(made, agency), "c")


@pytest.mark.requirement("AUD-08", partial="the self-check of the ways is a test of its own")
async def test_section_d_lists_the_fields_and_the_entries(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        for agency in ASKED:
            words = section(await make_set(made, agency), "d")
            asked = ("network address", "justification", "case number", "Query", "Image view", "Verification read")
            assert [word for word in asked if word not in words] == []
            assert f"{len(covered())} ways lead to data" in words


@pytest.mark.requirement("USE-13")
async def test_the_privacy_page_follows_the_settings(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        for agency in FIVE:
            await made.employ(made.as_("officer", agency))

            async def measures(agency=agency):
                page = await made.get(f"/public/policy?agency={agency}", {"accept": "application/json"})
                return {row["measure"]: row["words"] for row in page["privacy"]}

            before, profile = await measures(), made.policies[agency]
            assert profile.retention.fixed in before["Retention period"]
            assert "every calendar quarter" in before["Audit interval"]
            assert "law enforcement" in before["Sharing"]
            await made.put_in_force(
                agency,
                {"retention.fixed": "5 years", "retention.mobile": "4 years", "audit.interval": "month",
                 "sharing.recipients": ["prosecutorial"]},
            )  # fmt: skip
            after = await measures()
            least = "at least " if profile.retention.schedule_required else ""
            assert f"mobile units are kept {least}4 years, of fixed devices 5 years" in after["Retention period"]
            assert "every month" in after["Audit interval"]
            assert after["Sharing"] == "Data may go to: prosecuting agencies."


@pytest.mark.requirement("ADM-03")
@pytest.mark.requirement("ADM-05", partial="the daily check of the link on the agency's own website")
@pytest.mark.parametrize("agency", ASKED)
async def test_a_change_that_is_not_published_is_told_and_then_shown(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        manager, anybody = made.as_("program_manager", agency), {"accept": "application/json"}
        await made.employ(manager)

        async def posting():
            return (await made.get("/v1/guidelines", manager))["posting"]["state"]

        assert await posting() == "POSTING_OUTDATED"  # nothing is published yet
        assert await made.console.publication.check_posting() == [agency]
        assert metrics.POSTING_OUTDATED._value.get() == 1
        await made.put_in_force(agency, DESIGNEE)
        first = await published(made, agency)
        assert await posting() == "current"
        page = await made.get("/public/policy", anybody)
        assert page["designee"] == {"title": "Lieutenant", "name": "Alex Example", "since": "2027-01-15"}
        assert page["version"] == made.policies[agency].version

        made.later(days=1)
        await made.put_in_force(agency, {**DESIGNEE, "governance.designee_name": "Sam Successor"})
        assert await posting() == "POSTING_OUTDATED"
        page = await made.get("/public/policy", anybody)
        assert page["designee"]["name"] == "Sam Successor"
        assert "Alex Example" in section(page["guidelines"], "e")  # the set as it was approved
        second = (await make_set(made, agency))["number"]
        refused = await made.post(f"/v1/guidelines/{second}/publications", manager, status=409)
        assert refused["reason_code"] == "GUIDELINES_NOT_APPROVED"
        await made.post(f"/v1/guidelines/{second}/approvals", manager)
        assert await posting() == "POSTING_OUTDATED"
        assert (await made.get("/public/policy", anybody))["guidelines"]["number"] == first
        await made.post(f"/v1/guidelines/{second}/publications", manager)
        assert await posting() == "current"
        assert await made.console.publication.check_posting() == []
        assert metrics.POSTING_OUTDATED._value.get() == 0
        page = await made.get("/public/policy", anybody)
        assert "Sam Successor" in section(page["guidelines"], "e")
        assert page["guidelines"]["sha256"] == (await made.get("/v1/guidelines", manager))["guidelines"][0]["sha256"]


async def test_the_pages_are_there_for_who_may_see_them(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        manager, officer = made.as_("program_manager", "westminster"), made.as_("officer", "westminster")
        await made.employ(manager)
        await made.put_in_force("westminster", DESIGNEE)
        number = await published(made, "westminster")
        edit = {"note": "another designee", "changes": {"governance.designee_name": "Sam <b>Successor</b>"}}
        await made.post("/v1/profiles", manager, edit)

        async def page(path, who, status=200):
            answer = await made.http.get(path, headers={**who, "accept": "text/html"})
            assert answer.status_code == status, (path, answer.text[:500])
            return answer.text

        shown = await page("/public/policy", {})
        assert "Alex Example" in shown
        assert "Professional Standards Unit Commander" in shown
        assert "Sign in" not in shown
        assert "Guidelines and procedures" in await page(f"/guidelines/{number}", manager)
        assert "In force since" in await page("/profile", manager)
        version = await page("/profile/versions/2", manager)
        assert "governance.designee_name" in version
        assert "Sam &lt;b&gt;Successor" in version
        editor = await page("/profile/edit", manager)
        assert "policy_ref:" in editor
        for path in ("/profile", "/profile/edit", "/guidelines"):
            await page(path, officer, 403)
        form = {"csrf": "csrf", "note": "another Chief's order", "document": "agency: westminster\nwhistle: 1\n"}
        answer = await made.http.post("/profile/edit", headers=manager, data=form)
        assert answer.status_code == 422
        assert "whistle" in answer.text
        form = {"csrf": "csrf", "title": "Captain", "name": "Kim Next", "since": "2027-05-01"}
        answer = await made.http.post("/profile/designee", headers=manager, data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/profile/versions/3")
        answer = await made.http.post("/profile/versions/3/approve", headers=manager, data={"effective": ""})
        assert answer.status_code == 303
        assert made.policies["westminster"].governance.designee_name == "Kim Next"


async def test_several_agencies_are_listed(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        await made.employ(made.as_("officer", "irvine"), made.as_("officer", "escondido"))
        listed = await made.get("/public/policy", {"accept": "application/json"})
        assert [row["agency"] for row in listed["agencies"]] == ["escondido", "irvine"]
        page = await made.get("/public/policy?agency=escondido", {"accept": "application/json"})
        assert page["supersedes"] == "Department Instruction 1.62 of 2016-04-06"
        assert page["guidelines"] is None


@pytest.mark.requirement("ADM-06", partial="powers by the manager's scope")
async def test_screens_show_the_agencys_own_title(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        for agency, title in TITLES.items():
            page = await made.http.get("/profile", headers=made.as_("program_manager", agency))
            assert f'<span class="dim">{title}</span>' in page.text
