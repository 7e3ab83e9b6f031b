"""Fetches lists by themselves: from SFTP and HTTPS servers and from a drop folder, on schedule; and watches their age."""

from alpr_ingest.pulling.puller import Puller
from alpr_ingest.pulling.sftp import is_host_key
from alpr_ingest.pulling.source import Limits, PullFailed
from alpr_ingest.pulling.watch import Watch

__all__ = ["Limits", "PullFailed", "Puller", "Watch", "is_host_key"]
