"""Reads list files: every line is parsed once, judged and named, small files here and large ones in a child process."""

from alpr_ingest.reading.lines import Batch, Prepared, Task
from alpr_ingest.reading.process import Read, reading

__all__ = ["Batch", "Prepared", "Read", "Task", "reading"]
