"""Whose imports a start waits for: what `PYTHONPROFILEIMPORTTIME=1` says, summed up. Pure.

A module's own time, without what it imports in turn, counts for the package that it belongs to.
What the bare app imports too is left out, as it is waited for anyway. Writing the profile makes a
start slower: the parts are to be compared with each other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

LOADER, SDK, API, OURS, OTHER = "loader", "SDK", "API", "otelier", "others"
OWNERS = (LOADER, SDK, API, OURS, OTHER)

# The first prefix that fits. Both packages are imported by the loader.
_PREFIXES = {
    "opentelemetry.instrumentation": LOADER,
    "packaging": LOADER,
    "wrapt": LOADER,
    "opentelemetry.sdk": SDK,
    "opentelemetry": API,
    "otelier": OURS,
}
_HEAD = "import time: self"
_LINE = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)$")

Modules = Mapping[str, float]
"""Milliseconds of each module."""


def processes(said: str) -> Sequence[Modules]:
    """One for each interpreter that has written there, in their order."""
    found: list[dict[str, float]] = []
    for line in said.splitlines():
        if line.startswith(_HEAD):
            found.append({})
        elif (match := _LINE.match(line)) and found:
            found[-1][match[2]] = int(match[1]) / 1000
    return found


def least(several: Sequence[Modules]) -> Modules:
    """Of each module the least of several starts: the machine only ever adds."""
    names = dict.fromkeys(name for modules in several for name in modules)
    return {name: min(each[name] for each in several if name in each) for name in names}


def by_owner(modules: Modules, known: Collection[str]) -> dict[str, float]:
    """Milliseconds of all owners. known: modules that do not count."""
    found = dict.fromkeys(OWNERS, 0.0)
    for name, milliseconds in modules.items():
        if name not in known:
            found[owner(name)] += milliseconds
    return found


def owner(module: str) -> str:
    for prefix, name in _PREFIXES.items():
        if module == prefix or module.startswith(f"{prefix}."):
            return name
    return OTHER
