"""Patterns that are compiled when they are first looked for."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import pytest

import otelier
from otelier import pattern as lazily
from otelier.pattern import Lazy, pattern


def ours() -> list[tuple[str, Lazy]]:
    """All that stand in a module, in its tuples and dictionaries as well."""
    found = []
    for module in pkgutil.walk_packages(otelier.__path__, "otelier."):
        if ".site." not in module.name:
            values = vars(import_module(module.name)).values()
            found += [(module.name, lazy) for value in values for lazy in _within(value)]
    return found


def _within(value: object) -> list[Lazy]:
    if isinstance(value, tuple):
        return [lazy for each in value for lazy in _within(each)]
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, Lazy)]
    return [value] if isinstance(value, Lazy) else []


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
