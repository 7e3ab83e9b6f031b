"""The simulated repository: whoever sends is known, and what was withdrawn does not come back by a late message."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli.repository import FORM, Repository
from alprcore.hooks import signed_headers

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "whsec_c2VjcmV0"


def message(kind, *items, name="b-1", **changes):
    return json.dumps(
        {"form": FORM, "kind": kind, "batch_id": name, "owner_agency": "escondido", "items": items, **changes}
    ).encode()


def read(revision=1, **changes):
    return {"read_id": "r-1", "revision": revision, "plate": "8TST001", **changes}


def gone(revision, reason):
    return {"read_id": "r-1", "revision": revision, "reason": reason}


def take(repository, body, name="b-1", at=NOW):
    return repository.take(body, signed_headers(name, body, [SECRET], at), NOW)[0]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([("reads", read())], 1),
        ([("reads", read()), ("reads", read())], 1),
        ([("reads", read(2)), ("reads", read(1))], 2),
        ([("reads", read()), ("withdrawals", gone(1, "purged"))], None),
        ([("withdrawals", gone(1, "purged")), ("reads", read()), ("reads", read(2))], None),
        ([("withdrawals", gone(1, "corrected")), ("reads", read())], None),
        ([("reads", read()), ("withdrawals", gone(1, "corrected")), ("reads", read(2)), ("reads", read(1))], 2),
        ([("reads", read(2)), ("withdrawals", gone(1, "corrected"))], 2),
    ],
)
def test_what_lies_there_after_messages_in_any_order(steps, left):
    repository = Repository((SECRET,))
    for number, (kind, item) in enumerate(steps):
        assert take(repository, message(kind, item, name=f"b-{number}"), f"b-{number}") == 200
    assert [item["revision"] for item in repository.reads.values()] == ([] if left is None else [left])


def test_a_message_that_is_not_ours_or_not_of_the_form_is_refused():
    repository, body = Repository((SECRET,)), message("reads", read())
    assert repository.take(body, signed_headers("b-1", body, ["whsec_b3RoZXI="], NOW), NOW)[0] == 401
    assert repository.take(body, {}, NOW)[0] == 401
    assert take(repository, body, at=NOW - timedelta(minutes=6)) == 401, "recorded and played again"
    for wrong in (
        b"{}", b"no json", message("reads", read(), form="other/1"), message("gossip", read()),
        message("reads", {"plate": "8TST001"}), message("reads", read(), name="b-2"),
        b'{"form": "' + FORM.encode() + b'", "form": "x"}',
    ):  # fmt: skip
        assert take(repository, wrong) == 422
    assert repository.reads == {}
    assert take(repository, body) == 200
