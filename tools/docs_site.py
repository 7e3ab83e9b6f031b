"""What the documentation site holds beside docs/: pages that lie next to what they describe, and pages made from the code.

MkDocs calls the `on_…` functions (mkdocs.yml). Links are written as they work in the repository; here they are turned
to the page, to a copy of the file, or (a folder) to plain text, so that the site needs nothing but itself.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
GUESTS: Final = {
    "services/*/README.md": "services/{}.md",
    "bench/results/*.md": "measured/{}.md",
    "proto/README.md": "reference/contract.md",
    "deploy/helm/plateline/README.md": "operations/chart.md",
    "deploy/helm/plateline/UPGRADING.md": "operations/chart-upgrading.md",
    "deploy/compose/README.md": "operations/containers.md",
    "deploy/monitoring/README.md": "operations/monitoring.md",
    "training/README.md": "training.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages from outside docs/ and where they stand in the site; `{}` is what the star stood for."""
MADE: Final = "reference/"
"""Below it stand the pages that `tools.reference_pages` makes."""
FILES: Final = "files/"
"""Below it stand copies of files that pages link to."""
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_ITEM: Final = re.compile(r"^\s*(?:[-*]|\d+\.) ")


@cache
def guests() -> dict[str, str]:
    """Find the pages from outside docs/: path in the repository, path in the site."""
    found = {}
    for pattern, place in GUESTS.items():
        star = re.compile(re.escape(pattern).replace(r"\*", "([^/]+)"))
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            matched = star.fullmatch(name)
            found[name] = place.format(*(matched.groups() if matched else ()))
    return found


@cache
def written() -> dict[str, str]:
    """Every page that somebody wrote: path in the repository, path in the site."""
    own = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in _own_pages()}
    return own | guests()


def _own_pages() -> list[Path]:
    return sorted((ROOT / "docs").rglob("*.md"))


def prose(markdown: str, change: Callable[[str], str]) -> str:
    """Change every line that is not code."""
    lines, fence = [], ""
    for line in markdown.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1] == fence):
            fence = "" if fence else mark[1]
            lines.append(line)
        else:
            lines.append(line if fence else change(line))
    return "\n".join(lines)


def links(markdown: str) -> Iterator[str]:
    """Every target that a page links to or shows."""
    found: list[str] = []

    def take(line: str) -> str:
        found.extend(match[3] for match in _LINK.finditer(line))
        return line

    prose(markdown, take)
    yield from found


def place(target: str, origin: str) -> tuple[str, str]:
    """Where a link of the page `origin` leads in the repository, and its anchor; an empty place is elsewhere or here."""
    path, _, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return "", anchor
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), path)), anchor


def relinked(markdown: str, origin: str, pages: Mapping[str, str]) -> str:
    """Turn the links of a page that lies at `origin` in the repository into links of the site."""
    here = posixpath.dirname(pages[origin])

    def turn(match: re.Match[str]) -> str:
        path, anchor = place(match[3], origin)
        if not path:
            return match[0]
        if (ROOT / path).is_dir():
            return match[2]
        there = "index.md" if path == "README.md" else pages.get(path)
        if there is None:
            there = path.removeprefix("docs/") if path.startswith("docs/") else FILES + path
        hash_ = f"#{anchor}" if anchor else ""
        return f"{match[1]}[{match[2]}]({posixpath.relpath(there, here or '.')}{hash_})"

    return prose(markdown, lambda line: _LINK.sub(turn, line))


def spaced(markdown: str) -> str:
    """Put an empty line before a list that follows a sentence: readers on other sites do without, Markdown wants it."""
    before = ""

    def space(line: str) -> str:
        nonlocal before
        starts = (
            _ITEM.match(line) and before.strip() and not _ITEM.match(before) and not before.startswith((" ", "|", "#"))
        )
        before = line
        return f"\n{line}" if starts else line

    return prose(markdown, space)


def copied(pages: Mapping[str, str]) -> set[str]:
    """Files outside docs/ that pages link to; the site carries a copy of each."""
    found = set()
    for origin in pages:
        for target in links((ROOT / origin).read_text("utf-8")):
            path, _ = place(target, origin)
            if path and path not in pages and path != "README.md" and not path.startswith("docs/"):
                found.add(path)
    return {path for path in found if (ROOT / path).is_file()}


def expanded(nav: Any, places: list[str]) -> Any:
    """Write out the stars of a navigation: every page that fits and is not named by itself, in order of names."""
    named = {name for name in leaves(nav) if "*" not in name}

    def expand(entry: Any) -> Any:
        if isinstance(entry, list):
            return [new for one in entry for new in (expand(one) if _starred(one) else [expand(one)])]
        if isinstance(entry, dict):
            return {title: expand(value) for title, value in entry.items()}
        if _starred(entry):
            return [name for name in sorted(places) if fnmatch.fnmatchcase(name, entry) and name not in named]
        return entry

    return expand(nav)


def _starred(entry: Any) -> bool:
    return isinstance(entry, str) and "*" in entry


def leaves(nav: Any) -> Iterator[str]:
    """Every page that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(entry)


def on_config(config: Any) -> Any:
    """Write out the navigation; what a section names by a star alone may be nothing."""
    from tools import reference_pages

    made = [MADE + name for name in reference_pages.NAMES]
    config.nav = expanded(config.nav, [*written().values(), *made])
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Add guests, made pages and copies."""
    from mkdocs.structure.files import File

    from tools import reference_pages

    pages = written()
    for origin, there in guests().items():
        files.append(File.generated(config, there, abs_src_path=str(ROOT / origin)))
    for name, content in reference_pages.pages().items():
        files.append(File.generated(config, MADE + name, content=content))
    for path in sorted(copied(pages)):
        files.append(File.generated(config, FILES + path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn the page's links and space its lists."""
    pages = written()
    origin = next((path for path, there in pages.items() if there == page.file.src_uri), None)
    return spaced(markdown) if origin is None else spaced(relinked(markdown, origin, pages))
