"""What is written is there: pages, links, anchors, commands, settings, metrics and ways that any page names."""

import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from alpr_cli.main import COMMANDS
from alprcore import audited
from tools import docs_site, reference_pages

ROOT = Path(__file__).resolve().parents[2]
MKDOCS = pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="MkDocs is not installed: make setup")
PICTURE_BYTES = 60_000
REQUIREMENTS = "docs/requirements.md"  # what is asked for, not what is there
CLOSED = re.compile(r"^docs/decisions/|^docs/requirements.md$|^CHANGELOG.md$")  # true of their day, not of today


def pages():
    """Every page that people read: those of the site, and the front door."""
    return ["README.md", *docs_site.written()]


@cache
def text(path):
    return (ROOT / path).read_text("utf-8")


@cache
def code_and_prose():
    """Each page's text with its place, but those that tell of an earlier day."""
    return [(path, text(path)) for path in pages() if not CLOSED.search(path)]


def slugs(markdown):
    """The anchors of a page's headings, as MkDocs and code hosts make them of plain headings."""
    found = set()

    def take(line):
        if match := re.match(r"#{1,6} (.+)", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
            words = re.sub(r"[^\w\s-]", "", words.lower()).strip()
            found.add(re.sub(r"[-\s]+", "-", words))
        return line

    docs_site.prose(markdown, take)
    return found | set(re.findall(r'<a id="([^"]+)"', markdown))


def nav():
    config = yaml.safe_load(text("mkdocs.yml"))
    made = [docs_site.MADE + name for name in reference_pages.NAMES]
    return list(docs_site.leaves(docs_site.expanded(config["nav"], [*docs_site.written().values(), *made]))), made


def test_every_page_stands_in_the_navigation_once():
    named, made = nav()
    there = [*docs_site.written().values(), *made]
    assert sorted(set(there) - set(named)) == []
    assert sorted(set(named) - set(there)) == []
    assert sorted(name for name in named if named.count(name) > 1) == []


@pytest.mark.parametrize("path", pages())
def test_a_page_has_one_title_and_every_link_of_it_leads_somewhere(path):
    markdown, heads, wrong = text(path), [], []
    made = {f"docs/{docs_site.MADE}{name}" for name in reference_pages.NAMES}
    docs_site.prose(markdown, lambda line: heads.append(line) or line if line.startswith("# ") else line)
    assert len(heads) == 1, heads
    for target in docs_site.links(markdown):
        place, anchor = docs_site.place(target, path)
        if place in made or not (place or anchor):
            continue
        if (place and not (ROOT / place).exists()) or (
            anchor and (place or path).endswith(".md") and anchor not in slugs(text(place or path))
        ):
            wrong.append(target)
    assert wrong == []


def test_links_become_links_of_the_site_and_folders_plain_words():
    pages_ = {"docs/cad.md": "cad.md", "services/audit/README.md": "services/audit.md"}
    turned = docs_site.relinked(
        "[a](../services/audit/README.md#x) [b](../proto/cad.schema.json) [c](../proto) ![d](pictures/hits.webp)\n"
        "```\n[a](../services/audit/README.md)\n```",
        "docs/cad.md",
        pages_,
    )
    assert turned == (
        "[a](services/audit.md#x) [b](files/proto/cad.schema.json) c ![d](pictures/hits.webp)\n"
        "```\n[a](../services/audit/README.md)\n```"
    )
    assert docs_site.relinked("[a](../../docs/cad.md)", "services/audit/README.md", pages_) == "[a](../cad.md)"
    assert docs_site.spaced("Words:\n- one\n- two\n  more\n\nEnd") == "Words:\n\n- one\n- two\n  more\n\nEnd"


def test_every_target_of_make_that_a_page_names_exists():
    rules = re.findall(r"^([a-zA-Z%_-][a-zA-Z0-9%_ -]*):", text("Makefile"), re.MULTILINE)
    targets = {name for rule in rules for name in rule.split()}
    wrong = {}
    for path, words in code_and_prose():
        code = re.findall(r"`make ([^`\n]+)`", words)  # "make inactive after" is a column of a vendor's file
        for block in re.findall(r"(?ms)^```\w*\n(.*?)^```", words):
            code += re.findall(r"(?m)^make ([a-z0-9-]+(?: [a-z0-9-]+)*)(?= *(?:[A-Z]+=.*)?(?: +#.*)?$)", block)
        plain = [re.split(r" [A-Z]+=", line)[0] for line in code if line != "inactive after"]
        asked = {name for line in plain for name in line.split() if re.fullmatch(r"[a-z][a-z0-9-]+", name)}
        if unknown := {name for name in asked if name not in targets and not name.startswith("bench-")}:
            wrong[path] = unknown
    assert wrong == {}


def test_every_subcommand_of_alpr_that_a_page_names_exists():
    wrong = {}
    for path, words in code_and_prose():
        named = re.findall(r"(?:`|(?m:^)\s*|\$ ?)(?:\.venv/bin/)?alpr ([a-z][a-z-]+)", words)
        if unknown := set(named) - set(COMMANDS):
            wrong[path] = unknown
    assert wrong == {}


def test_every_container_that_a_page_runs_something_in_exists():
    containers = set(yaml.safe_load(text("docker-compose.yml"))["services"])
    wrong = {}
    for path, words in code_and_prose():
        named = re.findall(r"docker compose (?:exec(?: -T)?|run --rm) ([a-z]+)", words)
        if unknown := set(named) - containers:
            wrong[path] = unknown
    assert wrong == {}


def test_every_setting_that_a_page_names_exists():
    known = set()
    for service, cls in reference_pages.settings_classes().items():
        prefix = f"ALPR_{service.upper()}_" if service else "ALPR_"
        known |= {f"{prefix}{name.upper()}" for name in cls.model_fields} | {f"{prefix}CONFIG"}
    for path in (ROOT / "cli/src").rglob("*.py"):  # what the command itself is told
        known |= set(re.findall(r"\bALPR_[A-Z0-9_]+\b", path.read_text("utf-8")))
    services = "|".join(service.upper() for service in reference_pages.SERVICES)
    wrong = {}
    for path, words in code_and_prose():
        named = set(re.findall(rf"\bALPR_(?:{services})_[A-Z0-9_]+\b(?!\*)", words))
        if unknown := {name for name in named if name not in known and not name.endswith("_")}:
            wrong[path] = unknown
    assert wrong == {}


def test_every_metric_that_a_page_names_is_exported():
    exported = {name for _, name, *_ in reference_pages.exported()}
    four = ("messages_total", "handle_seconds", "lag_messages", "dead_letters_total")
    exported |= {f"alpr_{service}_{name}" for service in reference_pages.SERVICES for name in four}
    wrong = {}
    for path, words in code_and_prose():
        named = set(
            re.findall(
                r"`(alpr_[a-z_]+_(?:total|seconds|ratio|bytes|records|messages|timestamp_seconds|days|overdue))\b",
                words,
            )
        )
        if unknown := {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} - exported:
            wrong[path] = unknown
    assert wrong == {}


def test_every_way_that_a_page_names_exists():
    ways = {way for data in audited.DATA.values() for way in data}
    ways |= {way for data in audited.NO_DATA.values() for listed in data.values() for way in listed}
    exact = {re.sub(r"\{[^}]*\}", "{}", way) for way in ways if ":path" not in way}
    below = tuple(way.split("{")[0] for way in ways if ":path" in way)
    wrong = {}
    for path, words in code_and_prose():
        for way in re.findall(r"`((?:GET|POST|PUT|DELETE) /v1/[^\s`?]*)", words):
            plain = re.sub(r"\{[^}]*\}", "{}", way.rstrip(".,:;"))
            if "…" in way or "[" in way or plain in exact:
                continue
            fits = any(re.fullmatch(re.escape(known).replace(r"\{\}", "[^/]+"), plain) for known in exact)
            if not fits and not plain.startswith(below):
                wrong.setdefault(path, set()).add(way)
    assert wrong == {}


@pytest.mark.parametrize("service", reference_pages.SERVICES)
def test_a_service_names_every_topic_that_it_reads_or_writes(service):
    lacking = set()
    for file in sorted((ROOT / "proto/topics").glob("*.yaml")):
        spec = yaml.safe_load(file.read_text())
        if service in {*spec["writers"], *spec["readers"]} and f"`{spec['topic']}`" not in text(
            f"services/{service}/README.md"
        ):
            lacking.add(spec["topic"])
    assert lacking == set()


def test_every_file_that_a_page_names_exists():
    wrong = {}
    for path, words in code_and_prose():
        named = re.findall(r"`((?:docs|services|libs|cli|proto|tests|tools|deploy|bench|training)/[\w./*-]+)`", words)
        if unknown := {
            name for name in named if not list(ROOT.glob(name.rstrip("/"))) and not list(ROOT.glob(f"{name}*"))
        }:
            wrong[path] = unknown
    assert wrong == {}


def test_pictures_are_small_and_shown_with_words():
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/pictures").glob("*") if path.is_file()}
    assert len(there) >= 10
    assert {name for name in there if (ROOT / name).stat().st_size > PICTURE_BYTES} == set()
    shown = {}
    for path in pages():
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text(path)):
            shown.setdefault(docs_site.place(target, path)[0], []).append(words)
    assert there - set(shown) == set(), "a picture that no page shows"
    assert {name for name, words in shown.items() if not all(len(one) > 15 for one in words)} == set()


@MKDOCS
def test_the_site_is_built_strictly_and_asks_no_other_server(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    fetched = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"(?:https?:)?//[^\"]+")
    styled = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]+")
    outside = {}
    for path in [*(tmp_path / "site").rglob("*.html"), *(tmp_path / "site").rglob("*.css")]:
        content = path.read_text("utf-8")
        if found := fetched.findall(content) + styled.findall(content):
            outside[path.name] = found[:3]
    assert outside == {}
    assert (tmp_path / "site/reference/openapi-console.json").is_file()
