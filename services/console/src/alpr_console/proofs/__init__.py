"""By what a person proves who it is: passwords, security keys, an identity provider's word."""

from .passwords import Passwords
from .provider import Identity, Provider, ProviderAway, ProviderRefused, ProviderSettings, provider_of
from .security_keys import KeyRefused, NewKey, SecurityKeys, credential_of

__all__ = [
    "Identity",
    "KeyRefused",
    "NewKey",
    "Passwords",
    "Provider",
    "ProviderAway",
    "ProviderRefused",
    "ProviderSettings",
    "SecurityKeys",
    "credential_of",
    "provider_of",
]
