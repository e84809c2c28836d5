"""Patterns that are compiled when they are first looked for."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import otelier
from otelier import pattern as lazily
from otelier.pattern import Lazy, pattern


def ours() -> list[tuple[str, Lazy]]:
    """All that stand in a module, in its tuples, lists and dictionaries as well."""
    found = []
    for module in pkgutil.walk_packages(otelier.__path__, "otelier."):
        if ".site." not in module.name:
            found += [(module.name, lazy) for lazy in _within(import_module(module.name))]
    return found


def _within(module: ModuleType) -> list[Lazy]:
    waiting: list[Any] = list(vars(module).values())
    found = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, Lazy):
            found.append(value)
        elif isinstance(value, tuple | list):
            waiting += value
        elif isinstance(value, dict) and value is not vars(module).get("__builtins__"):
            waiting += value.values()
    return found


def test_all_can_be_compiled() -> None:
    """What would else be met by the first text."""
    lazies = ours()
    assert len(lazies) > 50
    for name, lazy in lazies:
        assert isinstance(re.compile(lazy._source, lazy._flags), re.Pattern), name


def test_it_is_as_the_one_of_re() -> None:
    """The same answers, by every method, and the same attributes."""
    eager, lazy = (make(r"(\d)b?", re.IGNORECASE) for make in (re.compile, pattern))
    for method in ("findall", "finditer", "fullmatch", "match", "search", "split"):
        texts = [repr(getattr(each, method)("1B2")) for each in (eager, lazy)]
        assert texts[0] == texts[1] or method == "finditer"
    assert [found[0] for found in lazy.finditer("1B2")] == ["1B", "2"]
    assert lazy.sub("x", "1B2") == "xx"
    assert lazy.subn("x", "1B2", 1) == ("x2", 1)
    assert (lazy.pattern, lazy.flags, lazy.groups) == (eager.pattern, eager.flags, eager.groups)
    with pytest.raises(AttributeError):
        lazy.fullsearch  # type: ignore[attr-defined]  # noqa: B018


def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first look, and not before."""
    compiled: list[str] = []
    original = re.compile

    class Counting:
        def compile(self, source: str, flags: int) -> re.Pattern[str]:
            compiled.append(source)
            return original(source, flags)

    monkeypatch.setattr(lazily, "re", Counting())
    lazy = pattern("a")
    assert compiled == []
    assert [bool(lazy.search(text)) for text in ("a", "b")] == [True, False]
    assert bool(lazy.match("a"))
    assert compiled == ["a"]
