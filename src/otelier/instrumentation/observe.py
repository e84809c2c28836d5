"""How a hook is put into a library and taken out again.

`after_import` waits until the app imports the library, so that a process that never does pays
nothing. `Patches` remembers what it replaced and restores it exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from otelier.instrumentation.importing import when_imported

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"


class Patches:
    """Attributes replaced on classes and modules."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any, Any]] = []
        self._removed = False

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put `make(original)` where `owner` itself defines `name`; nothing if it does not."""
        original = vars(owner).get(name)
        if original is not None:
            made = make(original)
            setattr(owner, name, made)
            self._undo.append((owner, name, original, made))

    def after_import(self, module: str, hook: Callable[[ModuleType], None]) -> None:
        """Run `hook` with the module once it is imported: now, later or never."""

        def unless_removed(loaded: ModuleType) -> None:
            if not self._removed:
                hook(loaded)

        when_imported(module, unless_removed)

    def restore(self) -> None:
        """Put back what was there, newest first; hooks that still wait do nothing."""
        self._removed = True
        while self._undo:
            owner, name, original, _ = self._undo.pop()
            setattr(owner, name, original)

    def withdraw(self, owner: Any, name: str) -> None:
        """Put back what was there, unless somebody else has put something over ours since."""
        for entry in self._undo:
            if entry[:2] == (owner, name) and vars(owner).get(name) is entry[3]:
                self._undo.remove(entry)
                setattr(owner, name, entry[2])
                return
