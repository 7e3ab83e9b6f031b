"""The list side of the match: the entries of this worker's partitions, partial plates, and the versions in force."""

from alpr_matcher.lists.partials import PartialView
from alpr_matcher.lists.versions import ListName, ListVersions
from alpr_matcher.lists.view import EntryView

__all__ = ["EntryView", "ListName", "ListVersions", "PartialView"]
