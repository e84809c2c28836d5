"""Contrib's classes are replaced when the app imports them, and nothing is imported before."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
from opentelemetry.instrumentation import fastapi

from otelier import _guard
from otelier.instrumentation import standin
from otelier.instrumentation.observe import Patches
from tests.instrumentation.conftest import options

GIVEN: dict[str, dict[str, Any]] = {
    "fastapi": {"options": options()},
    "redis": {"on": True},
    "sqlalchemy": {"on": True},
}
CLASSES = [
    ("fastapi", "asgi", "OpenTelemetryMiddleware"),
    ("fastapi", "fastapi", "FastAPIInstrumentor"),
    ("redis", "redis", "RedisInstrumentor"),
    ("sqlalchemy", "sqlalchemy", "SQLAlchemyInstrumentor"),
]


@pytest.mark.parametrize(("library", "package", "name"), CLASSES)
def test_replaced(library: str, package: str, name: str) -> None:
    """By a class of the same name that is one of contrib's, until it is taken out again."""
    module = import_module(f"opentelemetry.instrumentation.{package}")
    contrib = getattr(module, name)
    patches = Patches()
    standin.prepare(patches, library, GIVEN[library])
    ours = getattr(module, name)
    patches.restore()
    assert ours is not contrib
    assert issubclass(ours, contrib)
    assert (ours.__name__, ours.__module__) == (name, module.__name__)
    assert getattr(module, name) is contrib


def test_nothing_is_imported_before() -> None:
    """An app that names none of contrib's classes pays nothing."""
    code = (
        "import sys\n"
        "from otelier.instrumentation import observe, standin\n"
        "for library in ('fastapi', 'redis', 'sqlalchemy', 'logging', 'starlette'):\n"
        "    standin.prepare(observe.Patches(), library, {})\n"
        "assert not [name for name in sys.modules if 'standin_' in name], 'imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("in_force", "chosen"),
    [
        ("http", standin.Lane.OURS),
        ("http/dup", standin.Lane.CONTRIB),
        ("default", standin.Lane.CONTRIB),
    ],
)
def test_the_lane(in_force: str, chosen: standin.Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is for the stable names and for nothing else."""
    monkeypatch.setattr(standin, "names_in_force", lambda kind: in_force)
    assert standin.lane("http") is chosen


def test_a_fault_is_counted() -> None:
    """What goes wrong while a class is replaced leaves contrib's where it is, and the app alone."""
    before = fastapi.FastAPIInstrumentor
    _guard.faults.clear()
    standin.prepare(Patches(), "fastapi", {})
    assert fastapi.FastAPIInstrumentor is before
    assert _guard.faults
    _guard.faults.clear()
