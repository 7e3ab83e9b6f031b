"""Who may come in: what the profile asks of a person before any data is shown."""

from __future__ import annotations

from .profile import AgencyProfile


def second_factor_needed(profile: AgencyProfile, *, loopback: bool) -> bool:
    """Tell whether signing in takes a second factor: always, but for a watermarked agency on this machine."""
    return not (profile.second_factor == "optional_on_loopback" and loopback and bool(profile.watermark))
