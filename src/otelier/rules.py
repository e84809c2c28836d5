"""Rules of masking that other packages bring: entry points of the group `otelier_mask`.

Each is a callable `(path, value) -> value`, loaded once at start, in the main thread. One that
cannot be loaded masks nothing: that is a problem to be said, and the app starts.
"""

from __future__ import annotations

from otelier._upstream import entry_points
from otelier.privacy import Rule

GROUP = "otelier_mask"


def load() -> tuple[tuple[Rule, ...], list[str]]:
    """The rules by the order of their names, and what was wrong with the others."""
    rules: list[Rule] = []
    problems = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            rule = entry.load()
            if not callable(rule):
                raise TypeError("it is not callable")
            rules.append(rule)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            problems.append(f"the mask {entry.name!r} cannot be loaded ({why}); it masks nothing")
    return tuple(rules), problems
