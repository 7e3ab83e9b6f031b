"""Laws over Python code."""

import ast
from collections.abc import Iterator

from tools.laws.harness import File, Law

_SECRETS = frozenset({
    "plate", "plate_text", "raw_text", "text", "reveal", "officer", "person", "login", "case", "case_number",
    "token", "password", "secret",
})  # fmt: skip
_LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_LOGGERS = frozenset({"log", "logger", "logging", "_log", "_logger"})
_CATCH_ALL_ROOMS = frozenset({"app.py", "runtime.py"})


def _last_name(node: ast.AST) -> str:
    """The last part of a dotted name: `self.producer` is `producer`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return _last_name(func)
        case _:
            return ""


def _core(file: File, room: str) -> bool:
    """Whether the file is this room of alprcore, a module or a package."""
    parts = file.path.with_suffix("").parts
    return "alprcore" in parts and room in parts


def _calls(file: File) -> Iterator[ast.Call]:
    return (node for node in ast.walk(file.tree) if isinstance(node, ast.Call))


def no_contents_in_logs(file: File) -> Iterator[tuple[int, str]]:
    """Logs and metric labels carry ids, never a plate, a person, a case number or a token."""
    if not file.product:
        return
    for call in _calls(file):
        if not isinstance(call.func, ast.Attribute):
            continue
        logs = call.func.attr in _LOG_METHODS and _last_name(call.func.value) in _LOGGERS
        if not logs and call.func.attr != "labels":
            continue
        for argument in (*call.args, *call.keywords):
            for node in _contents(argument):
                found = node.arg if isinstance(node, ast.keyword) else _last_name(node)
                if isinstance(node, ast.Dict):
                    found = next(
                        (key.value for key in node.keys if isinstance(key, ast.Constant) and key.value in _SECRETS), ""
                    )
                if found in _SECRETS:
                    yield call.lineno, f"`{found}` is given to `{call.func.attr}`"


def _contents(argument: ast.AST) -> Iterator[ast.AST]:
    """What an argument can hold; the condition of `a if b else c` decides and is not shown."""
    yield argument
    for child in ast.iter_child_nodes(argument):
        if not (isinstance(argument, ast.IfExp) and child is argument.test):
            yield from _contents(child)


def clock_in_main(file: File) -> Iterator[tuple[int, str]]:
    """Rules and rooms are told the time; only `main` (and the run-time that makes its clock) asks for it."""
    if not file.product or file.path.parts[0] == "cli" or file.path.name in {"main.py", "runtime.py"}:
        return
    asks = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Attribute) and (_last_name(node.value), node.attr) in asks:
            yield node.lineno, f"{_last_name(node.value)}.{node.attr} outside main"


def publish_only(file: File) -> Iterator[tuple[int, str]]:
    """A message is sent by alprcore.kafka, which awaits the acknowledgment: a dropped future is a lost message."""
    if not file.product or _core(file, "kafka"):
        return
    for call in _calls(file):
        match call.func:
            case ast.Attribute(attr="send" | "send_and_wait", value=sender) if "producer" in _last_name(sender).lower():
                yield call.lineno, "a producer is used directly"


def no_catch_all(file: File) -> Iterator[tuple[int, str]]:
    """Everything is caught in the three rooms that decide what becomes of a failed message, and nowhere else."""
    if not file.product or file.path.name in _CATCH_ALL_ROOMS or _core(file, "kafka"):
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or _last_name(kind) in {"Exception", "BaseException"} for kind in kinds):
                yield node.lineno, "catches everything"


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends by raising: it tidies up and hides nothing."""
    return isinstance(handler.body[-1], ast.Raise)


def ids_from_model(file: File) -> Iterator[tuple[int, str]]:
    """Ids are made of what makes the thing unique, so a retry makes the same id; random and clock ids cannot."""
    for node in ast.walk(file.tree):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name) if name in {"uuid1", "uuid4", "uuid6", "uuid7"}:
                yield node.lineno, f"{name} makes a new id at every retry"
    if file.product and not _core(file, "model"):
        for call in _calls(file):
            if _last_name(call.func) == "uuid5":
                yield call.lineno, "ids are made in alprcore.model"


LAWS = (
    Law("contents-in-logs", ".py", no_contents_in_logs),
    Law("clock-in-main", ".py", clock_in_main),
    Law("publish-only", ".py", publish_only),
    Law("broad-except", ".py", no_catch_all),
    Law("ids-from-model", ".py", ids_from_model),
)
