"""The manual of the profile names every key, and no key that is not there."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

from alprcore.policy import ACTIVITIES, ROLES, SOURCES, STEPS, AgencyProfile

MANUAL = (Path(__file__).resolve().parents[3] / "docs/profiles.md").read_text()


def keys(kind, place=""):
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        inside = [part for part in get_args(hint) if is_dataclass(part)]
        if is_dataclass(hint):
            yield from keys(hint, f"{place}{field.name}.")
        elif inside:
            yield from keys(inside[0], f"{place}{field.name}[].")
        else:
            yield f"{place}{field.name}"


def test_every_key_is_explained_once():
    explained = re.findall(r"^\| `([\w.\[\]]+)` \|", MANUAL, re.MULTILINE)
    assert sorted(explained) == sorted(set(explained))
    assert set(explained) == (set(keys(AgencyProfile)) - {"version"}) | set(STEPS)


def test_every_step_names_its_refusal():
    told = dict(re.findall(r"^\| `(\w+)` \| `([A-Z_]+)` \|", MANUAL, re.MULTILINE))
    assert told == {name: step.reason_code for name, step in STEPS.items()}


def test_the_closed_sets_are_named():
    for word in ROLES | ACTIVITIES | SOURCES:
        assert re.search(rf"\b{word}\b", MANUAL), word
