"""Who observes when several distros are installed, and what remains of us when we stand down.

Real parts: `opentelemetry-instrument`, opentelemetry-distro and contrib's packages beside us.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent

# Prints which hooks of ours are in place.
PROBE = """
import logging, fastapi, sqlalchemy, redis, opentelemetry.trace as t
from sqlalchemy.engine import Engine
hooks = {
    "http": fastapi.FastAPI.__call__.__module__.startswith("otelier"),
    "routes": fastapi.routing.APIRoute.handle.__module__.startswith("otelier"),
    "sql": bool(Engine.dispatch.before_cursor_execute._clslevel.get(Engine)),
    "logs": logging.Logger.callHandlers.__module__.startswith("otelier"),
    "redis": hasattr(redis.Redis.execute_command, "__wrapped__"),
}
print(*(name for name, hooked in hooks.items() if hooked))
print(type(t.get_tracer_provider()).__name__)
"""


def observe(command: list[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if "OTEL" not in name}
    environ |= {"PATH": f"{BIN}{os.pathsep}{environ['PATH']}"} | variables
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


def launch(**variables: str) -> subprocess.CompletedProcess[str]:
    return observe([BIN / "opentelemetry-instrument", "python", "-c", PROBE], **variables)


def test_otelier_wins_and_says_so() -> None:
    """Beside opentelemetry-distro ours is used: one start line, one line about the other."""
    done = launch()
    assert done.stdout.split("\n")[0] == "http routes sql logs redis"
    start, other = done.stderr.splitlines()
    observed = start.partition("observes ")[2].split(", ")
    assert {"fastapi", "logging", "redis", "sqlalchemy"} <= set(observed)
    assert other == "otelier: opentelemetry-distro is installed too and stays off"


def test_user_names_another_distro() -> None:
    """OTEL_PYTHON_DISTRO=distro: its configurator makes the providers, and no hook is ours."""
    http = "http/protobuf"
    done = launch(OTEL_PYTHON_DISTRO="distro", OTEL_EXPORTER_OTLP_PROTOCOL=http)
    ours, provider, _ = done.stdout.split("\n")
    assert set(ours.split()) <= {"redis"}  # contrib's own
    assert provider == "TracerProvider"
    assert "otelier:" not in done.stderr


def test_our_configurator_hands_over() -> None:
    """Named by mistake beside another distro, ours calls the one that comes with that distro."""
    done = launch(
        OTEL_PYTHON_DISTRO="distro",
        OTEL_PYTHON_CONFIGURATOR="otelier",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    assert done.stdout.split("\n")[1] == "TracerProvider"
    assert "otelier:" not in done.stderr


def test_disabled_leaves_nothing() -> None:
    """OTEL_SDK_DISABLED=true: no hook, no provider, no word."""
    done = launch(OTEL_SDK_DISABLED="true")
    assert done.stdout.split("\n")[:2] == ["", "ProxyTracerProvider"]
    assert done.stderr == ""


@pytest.mark.parametrize("library", ["fastapi", "sqlalchemy", "redis", "logging"])
def test_one_library_is_left_alone(library: str) -> None:
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS takes ours and contrib's of that name away."""
    hooks = {"fastapi": {"http", "routes"}, "sqlalchemy": {"sql"}, "redis": {"redis"}}
    gone = hooks.get(library, {"logs"})
    done = launch(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=library)
    assert (
        set(done.stdout.split("\n")[0].split()) == {"http", "routes", "sql", "logs", "redis"} - gone
    )
    assert library not in done.stderr.splitlines()[0].partition("observes")[2]


def test_injected_by_pythonpath_alone() -> None:
    """As docs/launching.md has it for the Kubernetes operator: two variables choose us."""
    spec = find_spec("opentelemetry.instrumentation.auto_instrumentation")
    assert spec is not None
    assert spec.origin is not None
    done = observe(
        [sys.executable, "-c", PROBE],
        PYTHONPATH=str(Path(spec.origin).parent),
        OTEL_PYTHON_DISTRO="otelier",
        OTEL_PYTHON_CONFIGURATOR="otelier",
    )
    assert done.stdout.split("\n")[0] == "http routes sql logs redis"
    assert len(done.stderr.splitlines()) == 2
