"""The CRM, in a process in which Otelier's functions fail: one call in twenty, always the same.
Served by the launcher, in the place of `crm.app`; needs the folder of the CRM and of this
repository on the path.
"""

from __future__ import annotations

import random

from crm.app import app

from tests.instrumentation import faults

__all__ = ["app"]

ROOMS = tuple(
    f"otelier.{room}" for room in ("context", "errors", "instrumentation", "privacy", "sdk")
)

_chance = random.Random(7)


def _fail_now_and_then() -> None:
    if _chance.random() < 0.05:
        faults.fail()


def _plant() -> None:
    found = faults.functions()
    for name, function in found.items():
        is_behind = faults.is_fallible(function) and not faults.guards(function, found.values())
        if name.startswith(ROOMS) and is_behind and function.__name__ != "__init__":
            faults.plant(function, _fail_now_and_then)


_plant()
