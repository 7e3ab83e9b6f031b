"""What the counts about a device say."""

from alpr_console.equipment import rules


def row(device, camera, reader, checked, misreads):
    return {"device_id": device, "camera_id": camera, "reader": reader, "checked": checked, "misreads": misreads}


def test_misreads_are_added_up_over_cameras_and_kept_apart_by_model_and_device():
    checks = [
        row("d1", "c1", "r@1", 5, 2),
        row("d1", "c2", "r@1", 3, 1),
        row("d1", "c1", "r@2", 4, 0),
        row("d2", "c9", "r@1", 9, 9),
    ]
    counts = rules.statistics("d1", checks, None)
    assert (counts["checked"], counts["misreads"], counts["cameras"]) == (12, 3, None)
    assert counts["readers"] == [
        {"reader": "r@1", "checked": 8, "misreads": 3},
        {"reader": "r@2", "checked": 4, "misreads": 0},
    ]


def test_a_device_without_checks_has_none_and_its_cameras_are_shown():
    cameras = [{"camera_id": "c1", "reads": 4, "unreadable": 0, "reasons": {}}]
    counts = rules.statistics("d1", [], cameras)
    assert (counts["checked"], counts["misreads"], counts["readers"]) == (0, 0, [])
    assert counts["cameras"] == cameras


def test_reasons_are_said_in_words_most_frequent_first():
    assert rules.in_words({"TOO_SMALL": 3, "BLURRED": 12, "": 1}) == "12 blurred, 3 too small, 1 no reason given"
    assert rules.in_words({"NEW_REASON": 2}) == "2 new reason"
    assert rules.in_words({}) == ""


def test_a_copy_of_a_list_is_said_in_words():
    row = {"held": 3, "in_force": 4, "outdated": True, "behind_s": 125}
    assert rules.copies_in_words(row) == "version 3, outdated for 2 min"
    assert rules.copies_in_words(row | {"behind_s": 7_500}) == "version 3, outdated for 2 h 5 min"
    assert rules.copies_in_words(row | {"held": 0}) == "not held"
    assert rules.copies_in_words(row | {"held": 4, "outdated": False}) == "up to date"
