"""Sign-in through a real identity provider: code, PKCE, state and nonce; named accounts only; sign-out there ends here."""

import html
import re
import secrets
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.fixtures import people
from tests.fixtures.console import _free_port, running_console, sql, wait_for
from tests.fixtures.postgres import _database
from tests.fixtures.provider import PASSWORD, running_provider

PREFIX = f"oid{secrets.token_hex(3)}."
JROE = "5f0c2b6e-3b0f-4e6f-9b0e-3d5c0a6d7e81"


@pytest.fixture(scope="module")
def world(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("provider")
    (folder / "client.secret").write_text("only for this test run")
    port, at = _free_port(), _free_port()
    url = f"http://localhost:{port}"
    with running_provider(folder, at, url) as provider:
        settings = {
            "PORT": str(port),
            "PUBLIC_URL": url,
            "OIDC_ISSUER": provider.issuer,
            "OIDC_CLIENT_ID": "plateline-console",
            "OIDC_CLIENT_SECRET_FILE": str(folder / "client.secret"),
            "OIDC_REQUIRED_ACR": '["aal2"]',
            "OIDC_AGENCY_CLAIM": "agency",
            "OIDC_AGENCIES": '{"IRV": "irvine"}',
        }
        with (
            _database(pg_admin_dsn, "provider", f"TEMPLATE {pg_template}") as (_, database),
            running_console(database, kafka_bootstrap, PREFIX, folder, **settings) as console,
        ):
            console.url = url
            yield console, provider


class Browser(httpx.HTTPTransport):
    """Takes this machine's own name for a safe place, as browsers do: the provider marks its cookies Secure."""

    def handle_request(self, request):
        answer = super().handle_request(request)
        headers = [
            (name, re.sub(rb";\s*(Secure|Version=1)", b"", value) if name.lower() == b"set-cookie" else value)
            for name, value in answer.headers.raw
        ]
        return httpx.Response(answer.status_code, headers=headers, stream=answer.stream, extensions=answer.extensions)


@pytest.fixture
def browser():
    with httpx.Client(timeout=60, transport=Browser()) as client:
        yield client


def to_the_provider(browser, console, **asked):
    """Leave for the provider; answers the address that it sends the browser back to."""
    left = browser.get(f"{console.url}/login/provider", params={"banner": "b-1", **asked})
    assert left.status_code == 303
    sent = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    return left.headers["location"]


def there(browser, address, username, password=PASSWORD):
    """Sign in at the provider's own page; answers where it sends the browser."""
    page = browser.get(address)
    if page.status_code == 302:  # signed in there already
        return page.headers["location"]
    form = html.unescape(re.search(r'action="([^"]+)"', page.text)[1])
    done = browser.post(form, data={"username": username, "password": password, "credentialId": ""})
    assert done.status_code == 302, done.text[:500]
    return done.headers["location"]


def linked(console, subject=JROE, agency="irvine", **papers):
    """Make a person and link it to the subject, as an administrator does."""
    username = people.make_person(console, agency, "dispatcher", **papers)
    manager = people.make_person(console, agency, people.PROFILES[agency].governance.access_managers[0])
    sql(console, "DELETE FROM console.provider_people")
    with people.signed_in(console, manager) as admin:
        put = lambda name, to: admin.put(f"/v1/people/{name}/provider", json={"subject": to}).status_code  # noqa: E731
        assert put(username, subject) == 204
        assert put(username, subject) == 409
        assert put("nobody", "x") == 404
        own = admin.put(f"/v1/people/{manager}/provider", json={"subject": "mine"}).json()["reason_code"]
        assert own == "OWN_ACCOUNT"
    assert sql(console, "SELECT password_hash FROM console.people WHERE username = $1", username) == [
        {"password_hash": ""}
    ]
    assert sql(console, "SELECT 1 FROM console.alerts WHERE username = $1 AND kind = 'provider_linked'", username)
    return username


@pytest.mark.requirement("SEC-03", partial="one control of many: sign-in by the agency's identity provider")
def test_a_linked_person_comes_in_and_everything_else_is_refused(world, browser):
    console, _ = world
    username = linked(console)
    back = there(browser, to_the_provider(browser, console), "jroe")
    assert back.startswith(f"{console.url}/login/provider/back?")
    with httpx.Client(timeout=30) as other:  # an answer in a browser that never left: mixed-up state
        assert "(state)" in other.get(back).text
        to_the_provider(other, console)
        assert "(state)" in other.get(back).text
    page = browser.get(back)
    assert page.status_code == 200
    assert 'http-equiv="refresh"' in page.text
    assert "samesite=strict" in page.headers["set-cookie"].lower()
    session = browser.get(f"{console.url}/v1/session").json()
    assert (session["username"], session["agency"], session["limit"]) == (username, "irvine", None)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(session["authenticated_at"])).total_seconds()) < 60
    assert "(state)" in browser.get(back).text  # the same answer again
    # the account has no second way in
    with httpx.Client(base_url=console.url, timeout=30) as client:
        answer = client.post("/v1/session", json={"username": username, "password": people.PASSWORD})
        assert answer.json()["reason_code"] == "CREDENTIALS_WRONG"


def test_a_code_that_was_used_opens_nothing(world, browser):
    console, _ = world
    linked(console)
    first = there(browser, to_the_provider(browser, console), "jroe")
    code = parse_qs(urlsplit(first).query)["code"][0]
    assert browser.get(first).status_code == 200
    second = there(browser, to_the_provider(browser, console), "jroe")
    state = parse_qs(urlsplit(second).query)
    stolen = {name: values[0] for name, values in state.items()} | {"code": code}
    refused = browser.get(f"{console.url}/login/provider/back", params=stolen)
    assert refused.status_code == 401
    assert "(code)" in refused.text
    assert "set-cookie" not in refused.headers


def test_nobody_is_made_an_account_by_signing_in_there(world, browser):
    console, _ = world
    before = sql(console, "SELECT count(*) FROM console.people")
    refused = browser.get(there(browser, to_the_provider(browser, console), "stranger"))
    assert refused.status_code == 403
    assert "no account here belongs to this sign-in" in refused.text.lower()
    assert sql(console, "SELECT count(*) FROM console.people") == before
    assert browser.get(f"{console.url}/v1/session").status_code == 401


def test_the_papers_and_the_agency_decide_as_they_do_for_a_password(world, browser):
    console, _ = world
    linked(console, training=False)
    refused = browser.get(there(browser, to_the_provider(browser, console), "jroe"))
    assert refused.status_code == 403
    assert "training is missing" in refused.text.lower()
    linked(console, agency="westminster")
    refused = browser.get(there(browser, to_the_provider(browser, console), "jroe"))
    assert "belongs to another agency" in refused.text.lower()
    username = linked(console)
    sql(console, "UPDATE console.people SET disabled_at = now() WHERE username = $1", username)
    refused = browser.get(there(browser, to_the_provider(browser, console), "jroe"))
    assert refused.status_code == 403
    assert "disabled" in refused.text.lower()


def test_signing_out_there_ends_the_session_here(world, browser):
    console, provider = world
    username = linked(console)
    browser.get(there(browser, to_the_provider(browser, console), "jroe"))
    assert browser.get(f"{console.url}/v1/session").json()["username"] == username
    forged = browser.post(f"{console.url}/login/provider/logout", data={"logout_token": "a.b.c"})
    assert (forged.status_code, forged.json()["reason_code"]) == (401, "PROVIDER_REFUSED")
    leaving = browser.get(f"{provider.issuer}/protocol/openid-connect/logout?client_id=plateline-console")
    form = html.unescape(re.search(r'action="([^"]+)"', leaving.text)[1])
    code = re.search(r'name="session_code" value="([^"]+)"', leaving.text)[1]
    browser.post(f"{provider.url}{form}", data={"session_code": code, "confirmLogout": "Logout"})
    wait_for("the end here", lambda: browser.get(f"{console.url}/v1/session").status_code == 401)


def test_a_locked_screen_opens_only_with_a_new_look_at_the_person(world, browser):
    console, _ = world
    linked(console)
    browser.get(there(browser, to_the_provider(browser, console), "jroe"))
    address = to_the_provider(browser, console, again="1")
    assert "max_age=0" in address
    page = browser.get(address)
    assert page.status_code == 200  # its own session does not do: the password is asked for again
    assert browser.get(there(browser, address, "jroe")).status_code == 200
