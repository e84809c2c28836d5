"""Hooks go in, wait, and come out without a trace."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from otelier import _guard
from otelier.instrumentation.observe import Patches


class Base:
    def inherited(self) -> str:
        return "base"


class Owner(Base):
    def own(self) -> str:
        return "own"

    @staticmethod
    def static() -> str:
        return "static"


def louder(original: Any) -> Any:
    def call(*args: Any) -> str:
        return str(original(*args)).upper()

    return call


def test_restored_exactly() -> None:
    """The very objects that were there are there again, static methods included."""
    before = dict(vars(Owner))
    patches = Patches()
    patches.replace(Owner, "own", louder)
    patches.replace(Owner, "own", louder)
    patches.replace(Owner, "static", lambda original: staticmethod(louder(original.__func__)))
    assert (Owner().own(), Owner.static()) == ("OWN", "STATIC")
    patches.restore()
    assert dict(vars(Owner)) == before


def test_only_what_the_owner_defines() -> None:
    """What is inherited, or is not there in this release, is left alone."""
    before = dict(vars(Owner))
    patches = Patches()
    patches.replace(Owner, "inherited", louder)
    patches.replace(Owner, "missing", louder)
    assert dict(vars(Owner)) == before


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that nobody has imported yet."""
    (tmp_path / "otelier_later.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "otelier_later", raising=False)
    return "otelier_later"


def test_a_hook_waits_for_the_import(later: str) -> None:
    """Nothing is imported for our sake; the hook runs when the app imports."""
    seen: list[types.ModuleType] = []
    Patches().after_import(later, seen.append)
    assert (seen, later in sys.modules) == ([], False)
    module = __import__(later)
    assert seen == [module]


def test_a_hook_that_waits_in_vain(later: str) -> None:
    """After `restore` a hook that still waits does nothing."""
    seen: list[types.ModuleType] = []
    patches = Patches()
    patches.after_import(later, seen.append)
    patches.restore()
    __import__(later)
    assert seen == []


def test_a_hook_that_fails(later: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault in a hook does not fail the app's import."""

    def broken(module: types.ModuleType) -> None:
        raise RuntimeError("no such attribute")

    _guard.faults.clear()
    Patches().after_import(later, broken)
    assert __import__(later).value == 1
    assert dict(_guard.faults) == {f"observing {later}": 1}
