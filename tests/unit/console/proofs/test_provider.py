"""What an identity provider's word must be to count: each forgery is refused for its own reason."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from alpr_console.proofs import Provider, ProviderAway, ProviderRefused, ProviderSettings
from alprcore.errors import Misconfigured

ISSUER = "https://id.example"
CLIENT = "plateline-console"
NONCE = "n" * 43
NOW = datetime.fromtimestamp(int(time.time()), UTC)
HONEST = RSAKey.generate_key(2048, {"kid": "2026-11", "use": "sig", "alg": "RS256"})
NEXT = ECKey.generate_key("P-256", {"kid": "2026-12", "use": "sig", "alg": "ES256"})
STRANGER = RSAKey.generate_key(2048, {"kid": "2026-11"})
SETTINGS = ProviderSettings(
    issuer=ISSUER,
    client_id=CLIENT,
    secret_file=None,
    back="https://alpr.example/login/provider/back",
    longest=timedelta(hours=12),
    acr=("aal2",),
    amr=("pwd", "otp"),
)
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "end_session_endpoint": f"{ISSUER}/logout",
    "authorization_response_iss_parameter_supported": True,
}


def at(seconds=0):
    return int(NOW.timestamp()) + seconds


def claims(**changes):
    honest = {
        "iss": ISSUER, "aud": CLIENT, "sub": "jroe", "nonce": NONCE, "iat": at(), "exp": at(300), "auth_time": at(-60),
        "acr": "aal2", "amr": ["pwd", "otp"], "azp": CLIENT,
    }  # fmt: skip
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


def signed(content, key=HONEST, alg="RS256", **header):
    registry = jws.JWSRegistry(algorithms=["RS256", "ES256", "HS256", "PS256", "RS512"], strict_check_header=False)
    return jwt.encode(
        {"alg": alg, "kid": key.kid or "2026-11", "typ": "JWT", **header}, content, key, registry=registry
    )


def unsigned(content, alg="none"):
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")  # noqa: E731
    return f"{part({'alg': alg, 'kid': '2026-11'})}.{part(content)}."


def confused(content):
    """Signed with the public key's text as if it were a shared secret: HS256 in the place of RS256."""
    start = unsigned(content, "HS256")[:-1]
    mark = hmac.digest(HONEST.as_pem(private=False), start.encode(), "sha256")
    return f"{start}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


class Site:
    """A provider that answers what it is told to; `asked` counts the calls by path."""

    def __init__(self, token, *, keys=(HONEST,), metadata=METADATA, status=200, access="a"):
        self.token, self.keys, self.metadata, self.status, self.access = token, list(keys), metadata, status, access
        self.asked, self.forms = [], []

    def __call__(self, request):
        self.asked.append(request.url.path)
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.metadata)
        if request.url.path == "/keys":
            return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})
        self.forms.append(parse_qs(request.content.decode()))
        return httpx.Response(self.status, json={"id_token": self.token, "access_token": self.access})


def provider(site, settings=SETTINGS, clock=lambda: NOW):
    return Provider(settings, clock, httpx.MockTransport(site))


def redeem(token, *, issuer=ISSUER, nonce=NONCE, settings=SETTINGS, again=False, **site):
    return asyncio.run(provider(Site(token, **site), settings).redeem("code", issuer, nonce, "v" * 64, again=again))


def reason(token, **how):
    with pytest.raises(ProviderRefused) as refused:
        redeem(token, **how)
    return refused.value.reason


def test_an_honest_word_counts():
    found = redeem(signed(claims(sid="s-1")))
    assert (found.issuer, found.subject, found.acr, found.amr, found.session) == (
        ISSUER, "jroe", "aal2", ("pwd", "otp"), "s-1",
    )  # fmt: skip
    assert found.authenticated_at == NOW - timedelta(seconds=60)
    half = base64.urlsafe_b64encode(hashlib.sha256(b"a").digest()[:16]).decode().rstrip("=")
    assert redeem(signed(claims(aud=[CLIENT], at_hash=half, azp=None, nbf=at(-5)))).subject == "jroe"


FORGED = [
    ("alg", lambda: unsigned(claims())),
    ("alg", lambda: unsigned(claims(), "None")),
    ("alg", lambda: confused(claims())),
    ("alg", lambda: signed(claims(), STRANGER, alg="RS512")),
    ("signature", lambda: signed(claims(), STRANGER)),
    ("signature", lambda: signed(claims())[:-6] + "AAAAAA"),
    ("signature", lambda: signed(claims()).rsplit(".", 1)[0] + "."),
    ("kid", lambda: signed(claims(), kid="../../../dev/null")),
    ("kid", lambda: signed(claims(), kid="file:///etc/passwd")),
    ("kid", lambda: signed(claims(), kid="' OR '1'='1")),
    ("header", lambda: signed(claims(), STRANGER, jku="https://elsewhere.example/keys")),
    ("header", lambda: signed(claims(), STRANGER, jwk=STRANGER.as_dict(private=False))),
    ("header", lambda: signed(claims(), STRANGER, x5u="https://elsewhere.example/chain")),
    ("typ", lambda: signed(claims(), typ="at+jwt")),
    ("iss", lambda: signed(claims(iss="https://id.example.elsewhere.example"))),
    ("iss", lambda: signed(claims(iss=f"{ISSUER}/"))),
    ("aud", lambda: signed(claims(aud="another-client"))),
    ("aud", lambda: signed(claims(aud=[CLIENT, "another-client"]))),
    ("aud", lambda: signed(claims(aud=None))),
    ("azp", lambda: signed(claims(azp="another-client"))),
    ("exp", lambda: signed(claims(exp=at(-31)))),
    ("exp", lambda: signed(claims(exp=None))),
    ("exp", lambda: signed(claims(exp="9999999999"))),
    ("nbf", lambda: signed(claims(nbf=at(31)))),
    ("iat", lambda: signed(claims(iat=at(31)))),
    ("iat", lambda: signed(claims(iat=at(-601)))),
    ("iat", lambda: signed(claims(iat=True))),
    ("nonce", lambda: signed(claims(nonce="another"))),
    ("nonce", lambda: signed(claims(nonce=None))),
    ("auth_time", lambda: signed(claims(auth_time=None))),
    ("auth_time", lambda: signed(claims(auth_time=at(-43_300)))),
    ("auth_time", lambda: signed(claims(auth_time=at(60)))),
    ("acr", lambda: signed(claims(acr="aal1"))),
    ("acr", lambda: signed(claims(acr=None))),
    ("amr", lambda: signed(claims(amr=["pwd"]))),
    ("form", lambda: signed(claims(amr="pwd otp"))),
    ("at_hash", lambda: signed(claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"))),
    ("sub", lambda: signed(claims(sub=None))),
    ("sub", lambda: signed(claims(sub=7))),
    ("form", lambda: "not.a.token"),
    ("form", lambda: "x" * 20_000),
    ("form", lambda: 7),
]  # fmt: skip


@pytest.mark.requirement("SEC-03", partial="one control of many: what an identity provider must say")
@pytest.mark.parametrize(("why", "forge"), FORGED, ids=[f"{number}-{why}" for number, (why, _) in enumerate(FORGED)])
def test_a_forged_word_is_refused(why, forge):
    assert reason(forge()) == why


def test_a_signature_key_of_another_use_or_kind_is_no_key():
    encrypting = RSAKey.import_key({**HONEST.as_dict(private=False), "use": "enc"})
    assert reason(signed(claims()), keys=(encrypting,)) == "kid"
    assert reason(signed(claims(), NEXT, alg="ES256", kid="2026-11")) == "kid"


def test_an_answer_of_another_provider_is_mixed_up():
    assert reason(signed(claims()), issuer="https://other.example") == "mixed"
    assert reason(signed(claims()), issuer="") == "mixed"
    silent = {**METADATA, "authorization_response_iss_parameter_supported": False}
    assert redeem(signed(claims()), issuer="", metadata=silent).subject == "jroe"


def test_a_code_that_was_used_is_refused_and_a_broken_provider_is_away():
    assert reason(signed(claims()), status=400) == "code"
    with pytest.raises(ProviderAway):
        redeem(signed(claims()), status=302)
    with pytest.raises(ProviderAway):
        redeem(signed(claims()), metadata={**METADATA, "issuer": "https://other.example"})
    with pytest.raises(ProviderAway):
        redeem(signed(claims()), metadata={**METADATA, "jwks_uri": "http://id.example/keys"})


def test_a_new_proof_has_to_be_new():
    assert redeem(signed(claims(auth_time=at(-200))), again=True).subject == "jroe"
    with pytest.raises(ProviderRefused, match="auth_time"):
        redeem(signed(claims(auth_time=at(-400))), again=True)


def test_new_keys_are_fetched_once_they_are_used_and_not_for_every_lie():
    moment = [NOW]
    site = Site(signed(claims(), NEXT, alg="ES256"), keys=(HONEST,))
    asked = provider(site, clock=lambda: moment[0])

    async def story():
        with pytest.raises(ProviderRefused, match="kid"):
            await asked.redeem("code", ISSUER, NONCE, "v")
        for _ in range(3):  # the name of a key that nobody published
            with pytest.raises(ProviderRefused, match="kid"):
                await asked.redeem("code", ISSUER, NONCE, "v")
        assert site.asked.count("/keys") == 1
        site.keys.append(NEXT)
        moment[0] = NOW + timedelta(seconds=11)
        return await asked.redeem("code", ISSUER, NONCE, "v")

    assert asyncio.run(story()).subject == "jroe"
    assert site.asked.count("/keys") == 2
    assert site.asked.count("/.well-known/openid-configuration") == 1


def test_people_are_sent_with_a_code_challenge_state_and_nonce():
    site = Site("")
    address = asyncio.run(provider(site).way_there("state", NONCE, "v" * 64))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).decode().rstrip("=")
    assert address.startswith(f"{ISSUER}/authorize?")
    assert asked == {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": SETTINGS.back, "scope": "openid profile",
        "state": "state", "nonce": NONCE, "code_challenge": challenge, "code_challenge_method": "S256",
        "max_age": "43200", "acr_values": "aal2",
    }  # fmt: skip
    assert "max_age=0" in asyncio.run(provider(site).way_there("state", NONCE, "v", again=True))
    assert "client_id=plateline-console" in asyncio.run(provider(site).way_out("https://alpr.example/login"))
    site = Site(signed(claims()))
    asyncio.run(provider(site).redeem("code", ISSUER, NONCE, "v" * 64))
    assert site.forms[0]["code_verifier"] == ["v" * 64]


def test_the_provider_can_say_that_somebody_signed_out():
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    logout = claims(events=event, nonce=None, sid="s-1", auth_time=None, exp=None)
    told = lambda token: asyncio.run(provider(Site("")).signed_out(token))  # noqa: E731
    assert told(signed(logout, typ="logout+jwt")) == ("jroe", "s-1")
    for forged in (
        signed(claims()),  # an ID token is no logout token
        signed({**logout, "nonce": NONCE}),
        signed({**logout, "events": {}}),
        signed(logout, STRANGER),
        signed({**logout, "aud": "another-client"}),
        signed({name: value for name, value in logout.items() if name not in ("sub", "sid")}),
    ):
        with pytest.raises(ProviderRefused):
            told(forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://id.example"},
        {"back": "http://alpr.example/login/provider/back"},
        {"client_id": ""},
        {"acr": (), "amr": ()},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
    ],
)
def test_settings_that_would_be_a_hole_are_refused(changes):
    with pytest.raises(Misconfigured):
        Provider(replace(SETTINGS, **changes), lambda: NOW)


def test_our_secret_goes_in_the_header_and_never_in_the_address(tmp_path: Path):
    (tmp_path / "secret").write_text("s3cret\n")
    site = Site(signed(claims()))
    seen = []
    transport = httpx.MockTransport(lambda request: (seen.append(request), site(request))[1])
    settings = replace(SETTINGS, secret_file=tmp_path / "secret")
    asyncio.run(Provider(settings, lambda: NOW, transport).redeem("code", ISSUER, NONCE, "v"))
    token = next(request for request in seen if request.url.path == "/token")
    assert token.headers["authorization"] == "Basic " + base64.b64encode(b"plateline-console:s3cret").decode()
    assert "s3cret" not in str([str(request.url) for request in seen])
