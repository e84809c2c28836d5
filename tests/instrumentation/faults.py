"""Faults, put into Otelier's own code while it runs inside a request of an app.

By line: a trace function notes which lines of ours a request runs through, and on a later request
raises at one of them, as if that line had failed. So it depends on no name of a function, and a
hook that is added tomorrow is in the test tomorrow. By function: the body of a function is replaced
where it is, whoever holds a reference to it.

Only what runs in a request's own threads counts: not the worker that delivers (its own tests), nor
`_guard`, which is what catches.
"""

from __future__ import annotations

import ast
import gc
import inspect
import pkgutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import otelier
from otelier import _guard

OURS = str(Path(otelier.__file__).parent)
ROOMS = ("context.py", "errors.py", "instrumentation", "privacy.py", "sdk", "signals.py", "export")

Site = tuple[str, int]


class Injected(Exception):
    """Raised in the place of a line or function of ours."""


def is_ours(code: CodeType) -> bool:
    """Whether code is of a room that runs inside requests."""
    path = code.co_filename
    return path.startswith(OURS) and path[len(OURS) + 1 :].startswith(ROOMS)


class Probe:
    """Notes lines of ours, or fails at one: the first time that it is reached.

    at: where to fail; None notes. passed: the lines; seen: those of them that do not call others of
    ours, which are passed themselves. fired: how often it has failed.
    """

    def __init__(self, at: Site | None = None) -> None:
        self.at = at
        self.passed: set[Site] = set()
        self._calling: set[Site] = set()
        self.fired = 0

    def __enter__(self) -> Probe:
        self._before = sys.gettrace()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)
        threading.settrace(self._before)  # type: ignore[arg-type]

    @property
    def seen(self) -> set[Site]:
        return self.passed - self._calling

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        if not is_ours(frame.f_code):
            return None
        caller = frame.f_back
        if self.at is None and caller is not None and is_ours(caller.f_code):
            self._calling.add((caller.f_code.co_filename, caller.f_lineno))
        return self._pass

    def _pass(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            site = (frame.f_code.co_filename, frame.f_lineno)
            if self.at is None:
                self.passed.add(site)
            elif site == self.at and not self.fired:
                self.fired += 1
                raise Injected(shown(site))
        return self._pass


def shown(site: Site) -> str:
    """`instrumentation/http.py:120 exchange.finish()`."""
    path, line = site
    text = Path(path).read_text(encoding="utf-8").splitlines()[line - 1].strip()
    return f"{path[len(OURS) + 1 :]}:{line} {text}"


# What a wrapper of ours calls the thing that it wraps.
_WRAPPED = frozenset(("app", "original", "inner", "send", "receive", "_enabled", "_within"))

# Calls on values of Python's own that are what they are: none of them has a reason to raise.
_HARMLESS = {"ExitStack", "get", "getattr", "hasattr", "isinstance", "len", "setattr", "startswith"}
_HARMLESS |= {"perf_counter", "perf_counter_ns", "_clock", "time", "time_ns", "type"}
_HARMLESS |= {"bits", "setdefault"}
_HARMLESS |= {
    "fileno",
    "reset",
    "str",
    "suppress",
    "vars",
}  # of the app's objects: caught where they are


def can_fail(site: Site) -> bool:
    """Whether something of ours may raise there.

    A statement that awaits, or that calls what was there before us, is the app's; one that calls
    nothing but harmless things does not raise.
    """
    return site[1] in _failing(site[0])


@cache
def _failing(path: str) -> frozenset[int]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            parts = list(_own_parts(node))
            if not _hands_on(parts) and not _called(parts) <= _HARMLESS:
                found.update(range(node.lineno, _end(node) + 1))
    return frozenset(found)


def _own_parts(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement, without the statements inside it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [
            child
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
        ]


def _end(statement: ast.stmt) -> int:
    """The last line of a statement's own, its body left out."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _hands_on(parts: list[ast.AST]) -> bool:
    is_awaiting = any(isinstance(part, ast.Await) for part in parts)
    return is_awaiting or not _called(parts).isdisjoint(_WRAPPED)


def _called(parts: list[ast.AST]) -> set[str]:
    """The last parts of the names that are called."""
    called = [part.func for part in parts if isinstance(part, ast.Call)]
    return {getattr(node, "attr", "") or getattr(node, "id", "?") for node in called}


def functions() -> dict[str, FunctionType]:
    """Every function and method of ours that may run in a request, by its name.

    Without those inside others, which hand on to what they wrap, and without coroutines, which
    hand on to the app.
    """
    for module in pkgutil.walk_packages(otelier.__path__, "otelier."):
        if module.name.split(".")[1] in {room.removesuffix(".py") for room in ROOMS}:
            import_module(module.name)
    gc.unfreeze()  # a start has hidden from the collector what it made
    found = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and is_ours(each.__code__):
            is_inside = bool(each.__code__.co_freevars) or "<" in each.__qualname__
            if not is_inside and not inspect.iscoroutinefunction(each):
                found[f"{each.__module__}.{each.__qualname__}"] = each
    return found


def has_any(function: FunctionType, sites: Container[Site]) -> bool:
    """Whether any of these lines is in it."""
    path = function.__code__.co_filename
    return any((path, line) in sites for *_, line in function.__code__.co_lines() if line)


def is_fallible(function: FunctionType) -> bool:
    """Whether there is a line in it that can fail."""
    path = function.__code__.co_filename
    return any(can_fail((path, line)) for *_, line in function.__code__.co_lines() if line)


def guards(function: FunctionType, among: Iterable[FunctionType] = ()) -> bool:
    """Whether it catches by itself, or calls nothing but others `among` ours that do: what takes
    its place would be caught by nobody."""
    if "_guard" in function.__code__.co_names:
        return True
    guarding = {each.__name__ for each in among if "_guard" in each.__code__.co_names}
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    called = _called(list(ast.walk(tree))) - _HARMLESS
    return bool(called) and called <= guarding


def is_handed_on(function: FunctionType) -> bool:
    """Whether the app or the server is given what it returns: None is no value of that type."""
    returned = str(function.__annotations__.get("return", ""))
    return any(word in returned for word in ("App", "Message", "Receive", "Send"))


Action = Callable[[], None]

_planted: dict[str, tuple[Action, FunctionType | None]] = {}


def act(name: str, *args: Any, **kwargs: Any) -> Any:
    """What a replaced body does; called by it."""
    action, original = _planted[name]
    action()
    return original(*args, **kwargs) if original else None


def fail() -> None:
    """Raise, each time."""
    raise Injected("on purpose")


def nothing() -> None:
    """Return None."""


def hang(seconds: float) -> Action:
    """Return None, and late the first time."""
    waits = [seconds]

    def wait() -> None:
        if waits:
            time.sleep(waits.pop())

    return wait


def _stand_in(*args: Any, **kwargs: Any) -> Any:
    from tests.instrumentation.faults import act

    return act("NAME", *args, **kwargs)


def plant(function: FunctionType, action: Action, *, instead: bool = False) -> CodeType:
    """The function does `action` first, or does nothing else; by whatever reference it is called.
    Returns the code that it had."""
    before, name = function.__code__, f"{function.__module__}.{function.__qualname__}"
    original = FunctionType(before, function.__globals__, function.__name__, function.__defaults__)
    original.__kwdefaults__ = function.__kwdefaults__
    constants = tuple(name if c == "NAME" else c for c in _stand_in.__code__.co_consts)
    _planted[name] = action, None if instead else original
    function.__code__ = _stand_in.__code__.replace(co_consts=constants)
    return before


@contextmanager
def replaced(function: FunctionType, action: Action) -> Iterator[None]:
    """The function does `action` instead."""
    before = plant(function, action, instead=True)
    try:
        yield
    finally:
        function.__code__ = before


def instrumentors() -> dict[str, Any]:
    """Ours, by the name of their entry points."""
    entries = entry_points(group="opentelemetry_instrumentor")
    return {e.name: e.load()() for e in entries if e.value.startswith("otelier.")}


def instrument() -> None:
    """Switch all of ours on, as the distro does with an empty environment; nothing is remembered
    of what was seen before."""
    from otelier import privacy
    from otelier.distro import Start

    try:
        privacy.use(privacy.Policy(), _guard.fault)
    except Exception as error:
        _guard.fault("setting the mask", error)
    arguments = Start({}).arguments
    for name, instrumentor in instrumentors().items():
        try:
            instrumentor.instrument(**arguments.get(name, {}), skip_dep_check=True)
        except Exception as error:
            _guard.fault(f"instrumenting {name}", error)
    for module in [module for name, module in sys.modules.items() if name.startswith("otelier.")]:
        for value in vars(module).values():
            if callable(getattr(value, "cache_clear", None)):
                value.cache_clear()


@contextmanager
def observed() -> Iterator[None]:
    """All of ours are on."""
    instrument()
    try:
        yield
    finally:
        for instrumentor in instrumentors().values():
            instrumentor.uninstrument()
