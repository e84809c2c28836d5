"""Rules that other packages bring: entry points of a group, each something to be called.

They are loaded once at start, in the main thread. One that cannot be loaded rules nothing: that is
a problem to be said, and the app starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otelier._upstream import entry_points

MASKS = "otelier_mask"
"""Each takes a path and a value, and returns a value."""
CATEGORIES = "otelier_error_category"
"""Each takes an exception, and returns a category or None."""

_CALLED = {MASKS: "mask", CATEGORIES: "error category"}
_WITHOUT = {MASKS: "it masks nothing", CATEGORIES: "it decides nothing"}


def load(group: str) -> tuple[tuple[Callable[..., Any], ...], list[str]]:
    """The rules by the order of their names, and what was wrong with the others."""
    rules: list[Callable[..., Any]] = []
    problems = []
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            rule = entry.load()
            if not callable(rule):
                raise TypeError("it is not callable")
            rules.append(rule)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            what = f"the {_CALLED[group]} {entry.name!r}"
            problems.append(f"{what} cannot be loaded ({why}); {_WITHOUT[group]}")
    return tuple(rules), problems
