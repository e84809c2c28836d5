"""The settings about users, put in force at start, and what is wrong with them together.

Nothing of the app is imported here: whether a module is there is asked of the folders alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder

from otelier.identity import HASH, Identity, InForce
from otelier.loading import Settings
from otelier.sources import Source


def put_in_force(settings: Settings) -> list[str]:
    """From now on ids leave as the settings say; gives a line for each problem."""
    mode, key = settings["OTELIER_USER_ID"], settings["OTELIER_USER_KEY"]
    InForce.identity = Identity(mode, key)
    problems = []
    if mode == HASH and key is None:
        problems.append(
            "OTELIER_USER_ID='hash' needs OTELIER_USER_KEY, a secret; going on without ids of users"
        )
    for source in settings["OTELIER_USER_FROM"] or ():
        if (module := _missing(source)) is not None:
            problems.append(
                f"OTELIER_USER_FROM names {source.name!r}: there is no module {module!r} here; "
                "going on without it unless the app brings it"
            )
    return problems


def _missing(source: Source) -> str | None:
    """The module of a dependency, if it is in none of the folders that modules come from."""
    if source.kind != "dependency":
        return None
    module = source.name.partition(":")[0]
    if module in sys.modules:
        return None
    folders: Sequence[str] | None = [os.getcwd(), *sys.path]
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = PathFinder.find_spec(name, folders)
        if found is None:
            return module
        folders = found.submodule_search_locations
        if folders is None:
            folders = []
    return None
