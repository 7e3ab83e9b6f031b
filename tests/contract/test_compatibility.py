"""The contract only grows: what the last release could read, this one can, and the other way round."""

import copy

import pytest
from google.protobuf import descriptor_pb2

from tests.contract.contract import FILES, PROTO

BASELINE = descriptor_pb2.FileDescriptorSet.FromString((PROTO / "baseline.binpb").read_bytes())


def current() -> descriptor_pb2.FileDescriptorSet:
    found = descriptor_pb2.FileDescriptorSet()
    for file in FILES:
        file.CopyToProto(found.file.add())
    return found


def messages(files: descriptor_pb2.FileDescriptorSet) -> dict[str, descriptor_pb2.DescriptorProto]:
    found = {}
    waiting = [(file.package, message) for file in files.file for message in file.message_type]
    while waiting:
        prefix, message = waiting.pop()
        name = f"{prefix}.{message.name}"
        found[name] = message
        waiting += [(name, nested) for nested in message.nested_type]
    return found


def breaks(old: descriptor_pb2.FileDescriptorSet, new: descriptor_pb2.FileDescriptorSet) -> list[str]:
    """Name everything that would make an old and a new program misunderstand each other."""
    problems = []
    after = messages(new)
    for name, message in messages(old).items():
        if name not in after:
            problems.append(f"{name} is gone")
            continue
        fields = {field.number: field for field in after[name].field}
        reserved = {n for span in after[name].reserved_range for n in range(span.start, span.end)}
        for field in message.field:
            now = fields.get(field.number)
            if now is None:
                if field.number not in reserved or field.name not in after[name].reserved_name:
                    problems.append(f"{name}.{field.name} is gone and its number and name are not reserved")
                continue
            was = (
                field.name,
                field.type,
                field.label,
                field.type_name,
                field.proto3_optional,
                field.HasField("oneof_index"),
            )
            is_ = (now.name, now.type, now.label, now.type_name, now.proto3_optional, now.HasField("oneof_index"))
            if was != is_:
                problems.append(f"{name} field {field.number} was {was}, is {is_}")
    return problems


def test_nothing_that_was_released_has_changed():
    assert breaks(BASELINE, current()) == []


def field_of(files, message, name):
    return next(field for field in messages(files)[message].field if field.name == name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: setattr(field_of(files, "alpr.v1.Frame", "agency"), "number", 99), "is gone and its number"),
        (lambda files: setattr(field_of(files, "alpr.v1.Frame", "agency"), "name", "authority"), "was ('agency'"),
        (lambda files: setattr(field_of(files, "alpr.v1.Read", "revision"), "type", 4), "field 2 was"),
        (lambda files: files.file.pop(), "is gone"),
    ],
    ids=["renumbered", "renamed", "retyped", "message removed"],
)
def test_a_breaking_change_would_be_found(change, words):
    changed = copy.deepcopy(current())
    change(changed)
    assert any(words in problem for problem in breaks(BASELINE, changed))


def test_a_removed_field_whose_number_and_name_are_reserved_is_fine():
    changed = copy.deepcopy(current())
    frame = messages(changed)["alpr.v1.Frame"]
    index = next(i for i, field in enumerate(frame.field) if field.name == "view")
    removed = frame.field.pop(index)
    frame.reserved_name.append(removed.name)
    frame.reserved_range.add(start=removed.number, end=removed.number + 1)
    assert breaks(BASELINE, changed) == []
