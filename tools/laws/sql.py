"""Laws over SQL, in named statements and in migrations."""

import ast
import re
from collections.abc import Iterator

from tools.laws.harness import File, Law

_SCHEMAS = ("ingest", "audit", "retention", "console")
_AGENCY_TABLES = re.compile(r"\b(?:from|join|into|update)\s+(?:\w+\.)?(reads|audit_log)\b", re.IGNORECASE)
_REVISION = re.compile(r"\d{4}_(?:pre|post)_[a-z0-9_]+")
_LONGEST_REVISION = 32  # alembic_version.version_num is varchar(32): longer ids fail after their own statements
_QUOTED = re.compile(r"(\$\w*\$).*?\1|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


def _bare(sql: str) -> str:
    """The statement with comments, strings and dollar-quoted bodies blanked, line breaks kept."""
    return _QUOTED.sub(lambda match: "\n" * match.group().count("\n"), sql)


def agency_scope(file: File) -> Iterator[tuple[int, str]]:
    """Every named statement on reads or the ledger names the agency, on top of row-level security."""
    line = 1
    for statement in re.split(r"(?m)^(?=-- \w+ --)", file.text):
        if file.path.parts[0] == "services" and (found := _AGENCY_TABLES.search(_bare(statement))):
            name = statement.split("\n", 1)[0].strip("- ")
            if not re.search(r"\bagency(?:_id)?\b", _bare(statement)):
                yield line, f"{name} touches {found[1]} without naming the agency"
        line += statement.count("\n")


_DOORS = frozenset(
    {"retention.search_reads", "retention.search_hits", "retention.subject_answer", "retention.agreements_of"}
)


def own_schema(file: File) -> Iterator[tuple[int, str]]:
    """A service names its own schema only; the doors between schemas are two functions."""
    if file.path.parts[0] != "services":
        return
    others = "|".join(schema for schema in _SCHEMAS if schema != file.path.parts[1])
    for number, text in enumerate(_bare(file.text).splitlines(), 1):
        for found in re.findall(rf"\b(?:{others})\.\w+", text):
            if not (file.path.parts[1] == "audit" and found in _DOORS):
                yield number, f"{found} belongs to another service"


def sql_in_files(file: File) -> Iterator[tuple[int, str]]:
    """Statements on reads or the ledger stand in queries.sql, where the agency law sees them."""
    if not file.product or "migrations" in file.path.parts:
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not _is_prose(node.value):
            found = _AGENCY_TABLES.search(node.value)
            if found and re.match(r"\s*(?:select|insert|update|delete|with)\b", node.value, re.IGNORECASE):
                yield node.lineno, f"SQL on {found[1]} in Python"


def _is_prose(text: str) -> bool:
    return text.rstrip().endswith(".")


def revision_names(file: File) -> Iterator[tuple[int, str]]:
    """A revision's file is named as the revision is: number, pre or post, what; at most 32 characters."""
    if "versions" not in file.path.parts:
        return
    name = file.path.stem
    if not _REVISION.fullmatch(name) or len(name) > _LONGEST_REVISION:
        yield 1, f"{name} is not NNNN_pre_what or NNNN_post_what of at most {_LONGEST_REVISION} characters"
    for node in file.tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="revision")], value=ast.Constant(value=value))
                | ast.AnnAssign(target=ast.Name(id="revision"), value=ast.Constant(value=value))
            ) if value != name:
                yield node.lineno, f"revision {value} in a file named {name}"


def one_statement(file: File) -> Iterator[tuple[int, str]]:
    """op.execute takes one statement (asyncpg prepares it) and reads `:word` as a parameter, so colons are escaped."""
    if "versions" not in file.path.parts:
        return
    for node in ast.walk(file.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="execute", value=ast.Name(id="op")), args=[sql, *_]):
                text = _constant_text(sql)
                if len([part for part in _bare(text).split(";") if part.strip()]) > 1:
                    yield node.lineno, "two statements in one op.execute"
                if found := re.search(r"(?<![:\\]):[A-Za-z_]\w*", text):
                    yield node.lineno, f"{found.group()} is read as a parameter; write \\{found.group()}"


def _constant_text(node: ast.expr) -> str:
    return "".join(
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


LAWS = (
    Law("agency-scope", ".sql", agency_scope),
    Law("own-schema", ".sql", own_schema),
    Law("sql-in-files", ".py", sql_in_files),
    Law("revision-names", ".py", revision_names),
    Law("one-statement", ".py", one_statement),
)
