"""What a law is, what it looks at, and how an exception is written."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

_SKIP = re.compile(r"(?:#|--).*law-skip: (?P<law>[a-z-]+) - \S")


@dataclass(frozen=True)
class File:
    """A tracked file by its place in the repository and its text."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of a Python file."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def product(self) -> bool:
        """Whether it is shipped code: services, libraries, the command."""
        return self.path.parts[0] in {"services", "libs", "cli"} and "src" in self.path.parts

    def skipped(self, law: str, line: int) -> bool:
        """Whether the line, or one beside it, declares this exception with a reason."""
        around = self.text.splitlines()[max(0, line - 2) : line + 1]
        return any((skip := _SKIP.search(text)) and skip["law"] == law for text in around)


@dataclass(frozen=True, order=True)
class Violation:
    """Where a law is broken, and what is wrong there."""

    path: PurePosixPath
    line: int
    law: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.law}: {self.what}"


Check = Callable[[File], Iterator[tuple[int, str]]]


@dataclass(frozen=True)
class Law:
    """A named check over files with one suffix."""

    name: str
    suffix: str
    check: Check

    def violations(self, file: File) -> Iterator[Violation]:
        """Finds where `file` breaks this law without saying why."""
        if file.path.suffix != self.suffix:
            return
        for line, what in self.check(file):
            if not file.skipped(self.name, line):
                yield Violation(file.path, line, self.name, what)


def read(root: Path, paths: list[str]) -> Iterator[File]:
    """Reads the files that laws look at: Python, SQL and requirement files."""
    for name in paths:
        path = PurePosixPath(name)
        if path.suffix in {".py", ".sql", ".txt"} and "gen" not in path.parts and (root / path).is_file():
            yield File(path, (root / path).read_text(encoding="utf-8"))
