"""A step's strength decides: hard refuses, soft takes a reason, off does not ask."""

from dataclasses import replace

import pytest

from alprcore.model import ADMITTED, Refused
from alprcore.policy import STEPS, Overridden, pass_gate
from alprcore.profiles import load_profiles

PROFILES = load_profiles()


def under(step: str, strength: str):
    return replace(PROFILES["irvine"], gates={step: strength})


@pytest.mark.parametrize("step", STEPS)
def test_a_hard_step_is_refused_whatever_the_reason(step):
    refused = pass_gate(under(step, "hard"), step, done=False, override_reason="the line is down since noon")
    assert isinstance(refused, Refused)
    assert (refused.rule_id, refused.reason_code) == (STEPS[step].rule_id, STEPS[step].reason_code)


@pytest.mark.parametrize("step", STEPS)
def test_a_soft_step_goes_on_with_a_reason_only(step):
    profile = under(step, "soft")
    assert pass_gate(profile, step, done=False, override_reason="  the line\n is down ") == Overridden(
        step, "the line is down"
    )
    for reason in ("", "ok", "       "):
        refused = pass_gate(profile, step, done=False, override_reason=reason)
        assert isinstance(refused, Refused)
        assert "give a reason" in refused.detail


@pytest.mark.parametrize("strength", ["hard", "soft", "off"])
def test_a_step_that_is_done_is_never_an_override(strength):
    assert pass_gate(under("verify", strength), "verify", done=True, override_reason="the line is down") is ADMITTED


def test_a_step_that_the_profile_does_not_name_is_off():
    assert pass_gate(replace(PROFILES["irvine"], gates={}), "verify", done=False) is ADMITTED
    assert pass_gate(under("verify", "off"), "verify", done=False) is ADMITTED


@pytest.mark.parametrize("step", ["order_fixed", "order_mobile", "order_desktop", "closing"])
def test_an_order_that_the_profile_does_not_name_still_asks_a_reason(step):
    silent = replace(PROFILES["irvine"], gates={})
    assert isinstance(pass_gate(silent, step, done=False), Refused)
    assert isinstance(pass_gate(silent, step, done=False, override_reason="the line is down"), Overridden)


def test_a_step_that_no_rule_knows_is_an_error():
    with pytest.raises(KeyError):
        pass_gate(PROFILES["irvine"], "whistle", done=False)


@pytest.mark.parametrize(
    ("agency", "hard"),
    [
        ("irvine", set()),
        ("westminster", set()),
        ("claremont", {"read_check", "verify", "order_fixed", "order_mobile", "order_desktop", "closing"}),
        ("escondido", {"verify"}),
        (
            "roseville",
            {"verify", "independent_basis", "broadcast_before_terminal"}
            | {"desktop_broadcast", "describe", "order_desktop", "closing"},
        ),
    ],
)
def test_the_agencies_refuse_what_their_policies_say_shall(agency, hard):
    profile = PROFILES[agency]
    assert {
        step for step in STEPS if isinstance(pass_gate(profile, step, done=False, override_reason="x" * 20), Refused)
    } == hard
