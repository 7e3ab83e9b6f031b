"""Security keys and passkeys: what a browser is asked for and whether its answer proves anything (W3C WebAuthn 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import webauthn
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

_NAME: Final = "Plateline"
_WAIT_MS: Final = 120_000


class KeyRefused(Exception):
    """The answer proves nothing: other key, other challenge, other site, no verification of the person."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just registered."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class SecurityKeys:
    """Asks for and judges answers for one site. `origin` is what the browser's address line begins with."""

    origin: str
    site: str

    def ask_registration(
        self, person_id: str, username: str, full_name: str, known: Sequence[bytes]
    ) -> tuple[dict[str, Any], bytes]:
        """Make the options for a new key; answers them and the challenge to be kept."""
        options = webauthn.generate_registration_options(
            rp_id=self.site,
            rp_name=_NAME,
            user_id=person_id.encode(),
            user_name=username,
            user_display_name=full_name,
            timeout=_WAIT_MS,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=key) for key in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.DISCOURAGED,  # keys hold few; the username is typed anyway
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return json.loads(webauthn.options_to_json(options)), options.challenge

    def registered(self, answer: Mapping[str, Any], challenge: bytes) -> NewKey:
        """Judge the browser's answer about a new key. Raises `KeyRefused`."""
        try:
            found = webauthn.verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.site,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise KeyRefused(type(error).__name__) from error
        return NewKey(found.credential_id, found.credential_public_key, found.sign_count)

    def ask_assertion(self, known: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
        """Make the options for a sign-in with one of the person's keys; answers them and the challenge."""
        options = webauthn.generate_authentication_options(
            rp_id=self.site,
            timeout=_WAIT_MS,
            allow_credentials=[PublicKeyCredentialDescriptor(id=key) for key in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return json.loads(webauthn.options_to_json(options)), options.challenge

    def asserted(self, answer: Mapping[str, Any], challenge: bytes, public_key: bytes) -> int:
        """Judge a signature over the challenge; answers the key's counter. Raises `KeyRefused`."""
        try:
            found = webauthn.verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.site,
                expected_origin=self.origin,
                credential_public_key=public_key,
                credential_current_sign_count=0,  # counters are compared by a rule of ours, which raises an alert
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise KeyRefused(type(error).__name__) from error
        return found.new_sign_count


def credential_of(answer: Mapping[str, Any]) -> bytes:
    """Read which key an answer says it comes from. Raises `KeyRefused`."""
    try:
        return base64url_to_bytes(str(answer["rawId"]))
    except (KeyError, ValueError) as error:
        raise KeyRefused("rawId") from error
