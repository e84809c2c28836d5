"""The rules of the code, over its syntax trees: rooms, environment, output, imports, sizes.

Each rule is a function from a source to what is wrong in it, and each is shown a bad snippet.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

# From left to right: a module imports only from its own room and from rooms to its right.
ROOMS: Sequence[frozenset[str]] = (
    frozenset(("cli",)),
    frozenset(("distro", "early", "launch", "launcher", "loader", "site")),
    frozenset(("pipeline",)),
    frozenset(("instrumentation",)),
    frozenset(("",)),  # the package itself: its public names
    frozenset(("sdk",)),
    frozenset(("export",)),
    frozenset(
        (
            "_guard",
            "_random",
            "chosen",
            "_upstream",
            "addresses",
            "categories",
            "context",
            "binding",
            "error_attributes",
            "error_signals",
            "error_texts",
            "errors",
            "export_settings",
            "fingerprints",
            "fixed",
            "health",
            "identity",
            "inheritance",
            "loading",
            "logged_sql",
            "logformat",
            "marks",
            "pattern",
            "placeholders",
            "privacy",
            "query_signals",
            "redis_signals",
            "rules",
            "runtime_signals",
            "secret_keys",
            "secret_pairs",
            "secret_phrases",
            "meanings",
            "secret_shapes",
            "secret_signs",
            "setting",
            "settings",
            "signal",
            "signals",
            "sources",
            "spelled",
            "store_commands",
            "torn",
            "users",
            "sql_text",
            "sql_tokens",
            "tracebacks",
            "values",
            "version",
        )
    ),
)
READ_ENVIRONMENT = frozenset(("cli", "distro", "early", "launcher", "loader", "site"))
PRINT = frozenset(("cli",))
# Log records as lines, and whether the app writes such lines itself.
WRITE_LINES = frozenset(("otelier.instrumentation.printed", "otelier.instrumentation.outputs"))
FRAMEWORKS = frozenset(("anyio", "fastapi", "redis", "sqlalchemy", "starlette"))
NO_NAMES = frozenset(("base", "common", "core", "helpers", "misc", "utils"))

# The public logs API; its maintainers' name for it begins with an underscore.
LOGS_API = "opentelemetry._logs"

FILE_LINES, LONGEST_BODY, USUAL_BODY, USUAL_SHARE = 400, 45, 20, 0.9


@dataclass(frozen=True)
class Source:
    """One module. name: dotted; room: its first part below `otelier`."""

    name: str
    text: str

    @property
    def room(self) -> str:
        return [*self.name.split("."), ""][1]

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def sources() -> list[Source]:
    found = []
    for file in sorted(SRC.rglob("*.py")):
        parts = file.relative_to(SRC).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found.append(Source(name, file.read_text(encoding="utf-8")))
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that any import in it may mean, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def position(room: str) -> int:
    """Where a room is; -1 where there is none of that name."""
    return next((n for n, rooms in enumerate(ROOMS) if room in rooms), -1)


def imports_to_the_left(source: Source) -> list[str]:
    """Imports from a room to the left, of or from a module that is in no room."""
    here = position(source.room)
    used = [name for name in imported(source.tree) if name.split(".")[0] == "otelier"]
    rooms = [
        part if (part := name.split(".")[1]) != "__version__" else ""
        for name in used
        if "." in name
    ]
    wrong = [room for room in rooms if position(room) < here]
    return wrong if here >= 0 else [f"no room is called {source.room}"]


def relative_imports(source: Source) -> list[str]:
    """Imports that hide their room."""
    nodes = (node for node in ast.walk(source.tree) if isinstance(node, ast.ImportFrom))
    return [f"from {'.' * node.level}{node.module or ''}" for node in nodes if node.level]


def private_names(source: Source) -> list[str]:
    """Private modules, names and attributes of OpenTelemetry packages."""
    if source.name == "otelier._upstream":
        return []
    names = [name for name in imported(source.tree) if name.startswith("opentelemetry")]
    bound = _bound_to_opentelemetry(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and (path := dotted(node)).split(".")[0] in bound:
            names.append(path)
    return [name for name in names if "._" in name.removeprefix(LOGS_API).replace("__", "")]


def _bound_to_opentelemetry(tree: ast.AST) -> set[str]:
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                if f"{module}.{alias.name}".strip(".").startswith("opentelemetry"):
                    bound.add(alias.asname or alias.name.split(".")[0])
    return bound


def reads_environment(source: Source) -> list[str]:
    """`os.environ` and `os.getenv`, by whatever import."""
    if source.room in READ_ENVIRONMENT:
        return []
    names = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}
    used = [dotted(node) for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)]
    return [name for name in (*used, *imported(source.tree)) if name in names]


def prints(source: Source) -> list[str]:
    """`print`, and anything that is done with stdout."""
    if source.room in PRINT or source.name in WRITE_LINES:
        return []
    nodes = list(ast.walk(source.tree))
    calls = [
        node.func.id
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    used = [dotted(node) for node in nodes if isinstance(node, ast.Attribute)]
    used += list(imported(source.tree))
    stdout = [name for name in used if name in ("sys.stdout", "sys.__stdout__")]
    return [name for name in calls if name == "print"] + stdout


def imports_frameworks(source: Source) -> list[str]:
    """Frameworks that are imported when the module is, and not in a function."""
    tree = source.tree
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    outside = [name for node in nodes if id(node) not in inside for name in imported(node)]
    return [name for name in outside if name.split(".")[0] in FRAMEWORKS]


def nameless(source: Source) -> list[str]:
    """Modules that are called after nothing."""
    return [part for part in source.name.split(".") if part in NO_NAMES]


def too_long(source: Source) -> list[str]:
    """A file or a function that nobody reads to its end."""
    lines = source.text.count("\n")
    long = [f"{lines} lines"] if lines > FILE_LINES else []
    return long + [f"{name}: {size}" for name, size in bodies(source) if size > LONGEST_BODY]


def bodies(source: Source) -> list[tuple[str, int]]:
    """Lines of each function's body, its docstring left out."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            start = 1 if ast.get_docstring(node) is not None and len(node.body) > 1 else 0
            size = (node.body[-1].end_lineno or 0) - node.body[start].lineno + 1
            found.append((f"{source.name}.{node.name}", size))
    return found


Rule = Callable[[Source], list[str]]

RULES: Sequence[Rule] = (
    imports_to_the_left,
    relative_imports,
    private_names,
    reads_environment,
    prints,
    imports_frameworks,
    nameless,
    too_long,
)

BAD: Sequence[tuple[Rule, str, str]] = (
    (imports_to_the_left, "otelier.export.queue", "from otelier.sdk.spans import RequestStamp"),
    (imports_to_the_left, "otelier.sdk.x", "def f():\n    import otelier.instrumentation.http"),
    (imports_to_the_left, "otelier.context", "from otelier import export"),
    (imports_to_the_left, "otelier.instrumentation.x", "from otelier.distro import Start"),
    (imports_to_the_left, "otelier.distro", "from otelier.cli import main"),
    (imports_to_the_left, "otelier", "from otelier.distro import Distro"),
    (imports_to_the_left, "otelier.sdk.x", "import otelier.attic"),
    (imports_to_the_left, "otelier.attic", "x = 1"),
    (relative_imports, "otelier.sdk.x", "from ..cli import main"),
    (private_names, "otelier.sdk.x", "from opentelemetry.sdk._logs import LoggerProvider"),
    (private_names, "otelier.sdk.x", "import opentelemetry.sdk._configuration"),
    (private_names, "otelier.sdk.x", "from opentelemetry.trace import _TRACER_PROVIDER"),
    (private_names, "otelier.sdk.x", "def f():\n    from opentelemetry._logs._internal import a"),
    (private_names, "otelier.sdk.x", "from opentelemetry import trace\ntrace._TRACER_PROVIDER = 1"),
    (private_names, "otelier.sdk.x", "import opentelemetry.trace as t\nt.x._y()"),
    (private_names, "otelier.sdk.x", "from opentelemetry import _events"),
    (reads_environment, "otelier.sdk.x", "import os\ndef f():\n    return os.environ['A']"),
    (reads_environment, "otelier.sdk.x", "import os\nos.getenv('A')"),
    (reads_environment, "otelier.sdk.x", "from os import environ"),
    (prints, "otelier.distro", "print('x')"),
    (prints, "otelier.distro", "import sys\nsys.stdout.write('x')"),
    (prints, "otelier.distro", "from sys import stdout"),
    (imports_frameworks, "otelier.sdk.x", "import fastapi.routing"),
    (imports_frameworks, "otelier.sdk.x", "from anyio.to_thread import run_sync"),
    (imports_frameworks, "otelier.sdk.x", "try:\n    import redis\nexcept ImportError:\n    pass"),
    (imports_frameworks, "otelier.sdk.x", "class A:\n    from sqlalchemy import event"),
    (nameless, "otelier.sdk.utils", ""),
    (nameless, "otelier.common.x", ""),
    (too_long, "otelier.x", "x = 1\n" * (FILE_LINES + 1)),
    (too_long, "otelier.x", "def f():\n" + "    x = 1\n" * (LONGEST_BODY + 1)),
    (too_long, "otelier.x", "async def f():\n" + "    x = 1\n" * (LONGEST_BODY + 1)),
)

GOOD: Sequence[tuple[Rule, str, str]] = (
    (imports_to_the_left, "otelier.cli.x", "from otelier.distro import Start"),
    (imports_to_the_left, "otelier.cli.x", "import otelier\nfrom otelier import __version__"),
    (imports_to_the_left, "otelier.instrumentation.x", "from otelier.instrumentation import http"),
    (private_names, "otelier.sdk.x", "from opentelemetry._logs import get_logger"),
    (private_names, "otelier.sdk.x", "from opentelemetry import _logs\n_logs.get_logger('x')"),
    (private_names, "otelier.sdk.x", "class A:\n    def f(self):\n        return self._x"),
    (private_names, "otelier._upstream", "import opentelemetry.sdk._configuration"),
    (reads_environment, "otelier.distro", "import os\nos.environ['A']"),
    (reads_environment, "otelier.sdk.x", "import os\nos.getpid()"),
    (prints, "otelier.cli.x", "print('x')"),
    (prints, "otelier.distro", "import sys\nsys.stderr.write('x')"),
    (imports_frameworks, "otelier.sdk.x", "def f():\n    import redis"),
    (too_long, "otelier.x", "def f():\n" + "    x = 1\n" * LONGEST_BODY),
)


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_module_keeps_the_rule(rule: Rule, source: Source) -> None:
    """What the rule finds in the module is nothing."""
    assert rule(source) == []


@pytest.mark.parametrize(("rule", "name", "text"), BAD)
def test_a_rule_can_fail(rule: Rule, name: str, text: str) -> None:
    """A planted breach is found, and by a rule that is applied."""
    assert rule(Source(name, text)) != []
    assert rule in RULES


@pytest.mark.parametrize(("rule", "name", "text"), GOOD)
def test_a_rule_can_hold(rule: Rule, name: str, text: str) -> None:
    """What only looks like a breach is none."""
    assert rule(Source(name, text)) == []


def test_every_rule_has_failed() -> None:
    """No rule without a planted breach."""
    assert {rule for rule, _, _ in BAD} == set(RULES)


def test_functions_are_short() -> None:
    """Nine in ten functions have a body of twenty lines or fewer."""
    sizes = [size for source in sources() for _, size in bodies(source)]
    assert len(sizes) > 100
    short = [size for size in sizes if size <= USUAL_BODY]
    assert len(short) / len(sizes) >= USUAL_SHARE


def test_sizes_of_bodies() -> None:
    """The measure itself: docstrings do not count, blank lines and comments inside do."""
    text = 'def f():\n    """One."""\n    a = 1\n\n    # why\n    return a\n\n\ndef g(): ...\n'
    assert bodies(Source("x", text)) == [("x.f", 4), ("x.g", 1)]


IMPORT_ALL = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import otelier
for module in pkgutil.walk_packages(otelier.__path__, "otelier."):
    importlib.import_module(module.name)
    print(module.name)
"""


def test_importing_needs_no_framework() -> None:
    """Every module can be imported where FastAPI, Starlette, SQLAlchemy and Redis are missing."""
    program = IMPORT_ALL.format(blocked=set(FRAMEWORKS))
    environ = {"PATH": os.environ.get("PATH", "")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environ, timeout=60
    )
    assert done.stderr == ""
    assert {s.name for s in sources()} - set(done.stdout.split()) == {"otelier"}
