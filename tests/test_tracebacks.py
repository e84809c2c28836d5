"""Tracebacks as text: what the standard library says, without the marks under lines."""

from __future__ import annotations

import json
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from otelier import tracebacks
from otelier.tracebacks import LONGEST, stack_of


def expected(error: BaseException) -> str:
    """The standard library's text; it marks nothing where it knows no columns."""
    told = traceback.TracebackException.from_exception(error, compact=True)
    _without_columns(told)
    return "".join(told.format())


def _without_columns(told: Any) -> None:
    for frame in told.stack:
        frame.colno = frame.end_colno = None
        frame.end_lineno = frame.lineno
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            _without_columns(other)


def caught(run: Callable[[], object]) -> BaseException:
    try:
        run()
    except BaseException as error:
        return error
    raise AssertionError


def fail(error: BaseException | None = None) -> None:
    raise error or ValueError("order 4711")


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Interrupting(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class OfNoModule(Exception):
    __module__ = 7  # type: ignore[assignment]


class Lying(str):
    def __format__(self, spec: str) -> str:
        return "not its text"

    def __str__(self) -> str:
        return "nor this"


class TextOfItsOwn(Exception):
    def __str__(self) -> str:
        return Lying("its text")


class Secretive(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__traceback__":
            raise RuntimeError("none of your business")
        return super().__getattribute__(name)


class Everything(Exception):
    def __getattr__(self, name: str) -> Any:
        return 3


def from_cause() -> None:
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("not shown") from error


def in_context() -> None:
    try:
        fail()
    except ValueError:
        fail(RuntimeError("while failing"))


def from_none() -> None:
    try:
        fail()
    except ValueError:
        raise RuntimeError("said once") from None


def from_other() -> None:
    try:
        fail()
    except ValueError:
        raise RuntimeError("one") from LookupError("another")


def three_deep() -> None:
    try:
        from_cause()
    except RuntimeError:
        fail(KeyError("k"))


def circle() -> None:
    first, second = caught(fail), caught(from_none)
    first.__cause__, second.__cause__ = second, first
    raise first


def circle_in_context() -> None:
    """The cause is known already, the context is not."""
    first, second, third = caught(fail), caught(from_none), caught(in_context)
    first.__cause__, second.__cause__, second.__context__ = second, first, third
    second.__suppress_context__ = False
    raise first


def its_own_cause() -> None:
    error = caught(fail)
    error.__cause__ = error
    raise error


def circle_of_contexts() -> None:
    first, second = caught(fail), caught(from_none)
    first.__context__, second.__context__ = second, first
    second.__suppress_context__ = False
    raise first


def deep(levels: int) -> int:
    return deep(levels - 1) if levels else int("deep")


def even(levels: int) -> int:
    return odd(levels - 1) if levels else int("even")


def odd(levels: int) -> int:
    return even(levels - 1)


def endless() -> None:
    endless()


def generated() -> Iterator[int]:
    yield 1
    fail()


def over_lines() -> None:
    deep(
        int(
            "over lines"
        )
    )  # fmt: skip


def of_text(source: str, name: str = "<made>") -> None:
    exec(compile(source, name, "exec"), {})


def with_known_source() -> None:
    """As attrs, doctest and notebooks have it."""
    linecache.cache["<known>"] = (9, None, ["\n", "1/0  # seen\n"], "<known>")
    of_text("\n1/0  # seen", "<known>")


def noted(note: Any) -> None:
    error = ValueError("noted")
    error.__notes__ = note  # type: ignore[attr-defined]
    raise error


def group() -> None:
    raise ExceptionGroup("two", [caught(fail), caught(from_cause)])


def from_group() -> None:
    try:
        group()
    except ExceptionGroup as error:
        raise RuntimeError("of a group") from error


def misspelt() -> None:
    order_number = 1
    print(order_numbr + order_number)  # type: ignore[name-defined]  # noqa: F821


def of_class(made: Any, *args: Any) -> Any:
    return partial(fail, made(*args))


TABLE: dict[str, Callable[[], object]] = {
    "one frame": lambda: 1 / 0,
    "some frames": partial(deep, 1),
    "without a text": of_class(ValueError),
    "an empty text": of_class(ValueError, ""),
    "a text of lines": of_class(ValueError, "one\ntwo\n\n  ^^^^\n"),
    "a key": of_class(KeyError, "k"),
    "of a module": of_class(json.JSONDecodeError, "no", "{", 1),
    "of a function": of_class(type("Local", (ValueError,), {"__qualname__": "f.<locals>.L"}), 1),
    "of no module": of_class(OfNoModule, "x"),
    "an exit": of_class(SystemExit, 3),
    "an interrupt": of_class(KeyboardInterrupt),
    "a class without words": of_class(Speechless),
    "a class that interrupts": of_class(Interrupting),
    "a text of a class": of_class(TextOfItsOwn),
    "any attribute": of_class(Everything, "x"),
    "a cause": from_cause,
    "a context": in_context,
    "from None": from_none,
    "from another": from_other,
    "a chain": three_deep,
    "a circle": circle,
    "a circle with a way out": circle_in_context,
    "a circle of contexts": circle_of_contexts,
    "its own cause": its_own_cause,
    "three repeated": partial(deep, 2),
    "four repeated": partial(deep, 3),
    "many repeated": partial(deep, 90),
    "by turns": partial(even, 12),
    "without end": endless,
    "a generator": lambda: list(generated()),
    "a comprehension": lambda: [fail() for _ in range(2)],
    "over lines": over_lines,
    "in C": lambda: sorted([1, "a"]),  # type: ignore[list-item]
    "called from C": lambda: list(map(deep, [0])),
    "of the library": lambda: json.loads("{"),
    "code of no file": partial(of_text, "def f():\n  1/0\nf()"),
    "code of a lost file": partial(of_text, "\n\n1/0", "/nowhere/lost.py"),
    "code with a source": with_known_source,
    "a wrong line": partial(of_text, "\n" * 40_000 + "1/0", __file__),
    "no syntax": partial(of_text, "x = = 1"),
    "no syntax, in a file": partial(compile, "def f(:\n pass", __file__, "exec"),
    "no syntax, without a place": of_class(SyntaxError, "no"),
    "notes": partial(noted, ["first\nsecond", Speechless()]),
    "notes that are none": partial(noted, 3),
    "a group": group,
    "from a group": from_group,
    "an attribute": lambda: "".uper(),  # type: ignore[attr-defined]
    "a name": misspelt,
    "an import": lambda: of_text("from json import lods"),
}


@pytest.mark.parametrize("name", TABLE)
def test_it_is_the_text_of_the_standard_library(name: str) -> None:
    error = caught(TABLE[name])
    wanted = expected(error)
    if "group" in name:  # its own text, marks and all
        wanted = "".join(traceback.format_exception(error))
    assert stack_of(error) == wanted
    assert stack_of(error) == wanted, "kept differently"


def test_an_exception_that_was_not_raised_has_its_line() -> None:
    assert stack_of(ValueError("x")) == "ValueError: x\n"


def test_a_class_that_lets_nobody_read_it_is_named() -> None:
    assert stack_of(Secretive("x")).endswith("Secretive: x\n")


def test_a_limit_of_the_apps_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    error = caught(partial(even, 6))
    monkeypatch.setattr(sys, "tracebacklimit", 2, raising=False)
    assert stack_of(error) == "".join(traceback.format_exception(error))


def test_what_is_sent_is_bounded_and_keeps_both_ends() -> None:
    """What is left behind the middle begins with a frame."""
    text = stack_of(caught(partial(even, 400)))
    assert LONGEST - 1024 < len(text) <= LONGEST
    assert text.startswith("Traceback")
    assert '\n…\n  File "' in text
    assert text.endswith(stack_of(caught(partial(even, 0))).splitlines(keepends=True)[-1])


def test_of_a_long_message_the_beginning_is_sent() -> None:
    """Behind the middle nobody could tell that it is a statement with a password in it."""
    error = caught(of_class(ValueError, f"{'a ' * 50_000}the end"))
    text = stack_of(error)
    assert LONGEST - 1024 < len(text) <= LONGEST
    assert "ValueError: a a" in text
    assert "the end" not in text
    cause = caught(of_class(ValueError, f"[SQL: INSERT INTO t VALUES ({'1, ' * 9_000}'x')]"))
    error = caught(of_class(KeyError, "the end"))
    error.__cause__ = cause
    text = stack_of(error)
    assert "'x'" not in text
    assert text.endswith(("the end')\n", "the end'\n"))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracebacks, "_MOST_KEPT", 8)
    for number in range(40):
        stack_of(caught(partial(of_text, "1/0", f"/nowhere/{number}.py")))
        assert len(tracebacks._frames) <= 8
    kept = len(tracebacks._frames)
    stack_of(caught(partial(of_text, "1/0", "/nowhere/" + "x" * 2000)))
    stack_of(caught(partial(of_text, "1/0", "<template>")))
    assert not any("xxx" in file or "<" in file for file, _, _ in tracebacks._frames)
    assert kept


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    """After a minute at most."""
    file = tmp_path / "edited.py"
    for source in ("1/0  # before\n", "1/0  # after, and longer\n"):
        file.write_text(source)
        assert source in stack_of(caught(partial(of_text, source, str(file))))
        tracebacks._frames.until = 0


def test_a_frame_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    error = caught(partial(even, 4))
    first = stack_of(error)
    monkeypatch.setattr(tracebacks, "_frame", None)
    assert stack_of(error) == first
