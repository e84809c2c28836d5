"""A call once a module is imported: at once where it is already, else after its own code has run.

A finder in front of the others lets them find the module and puts a loader of ours around theirs,
for as long as the module's code runs: what the app sees of the module afterwards, its loader
included, is as without us. Other finders of this kind may stand beside it (`wrapt`'s, `ddtrace`'s):
each asks the others, and a module that is being searched for is not searched for again.

`wrapt` does the same, and brings proxies and decorators that nobody here uses into every process.

Source: PEP 451, finders and loaders. Runs where the app imports, in any thread; the import system
lets one thread at a time import a module. A fault of ours, or of a hook, is counted and said: the
import goes on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from otelier import _guard

Hook = Callable[[ModuleType], None]

_waiting: dict[str, list[Hook]] = {}
_lock = threading.Lock()


def when_imported(name: str, hook: Hook) -> None:
    """Call `hook` with the module: now, once it is imported, or never."""
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        module = sys.modules.get(name)
        if module is None:
            _waiting.setdefault(name, []).append(hook)
    if module is not None:
        _call([hook], module, name)


def _call(hooks: Sequence[Hook], module: ModuleType, name: str) -> None:
    for hook in hooks:
        try:
            hook(module)
        except Exception as error:
            _guard.fault(f"observing {name}", error)


class Finder:
    """Finds nothing itself. Stands in `sys.meta_path`."""

    def __init__(self) -> None:
        self._searching = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders say, None where nobody waits for the module: then, and after a
        fault, the import system asks the others itself."""
        try:
            if name in _waiting and name not in vars(self._searching):
                return self._found(name, path, target)
        except Exception as error:
            _guard.fault(f"finding {name}", error)
        return None

    def _found(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        vars(self._searching)[name] = True
        try:
            spec = _of_others(name, path, target)
        finally:
            del vars(self._searching)[name]
        if spec is not None and hasattr(spec.loader, "exec_module"):
            around: Any = Loader(spec.loader)
            spec.loader = around
        return spec


def _of_others(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if finder is not _finder and find is not None:
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                return spec
    return None


class Loader:
    """Another one's, whose module is told of. Whatever else is asked of it is the other's."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs
        self.create_module = theirs.create_module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def exec_module(self, module: Any) -> None:
        original, name = self._theirs.exec_module, module.__spec__.name
        for owner, attribute in ((module.__spec__, "loader"), (module, "__loader__")):
            if getattr(owner, attribute, None) is self:
                setattr(owner, attribute, self._theirs)
        original(module)
        try:
            with _lock:
                hooks = _waiting.pop(name, ())
            _call(hooks, sys.modules.get(name, module), name)
        except Exception as error:
            _guard.fault(f"observing {name}", error)


_finder = Finder()
