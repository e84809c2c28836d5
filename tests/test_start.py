"""What a start leaves in the app's process: in a process of its own, as the launcher starts it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otelier.distro import spare_collector

PROGRAM = """
import gc, json, sys, weakref

class Own: pass
one = Own()
one.self = one
gone = weakref.ref(one)
del one
gc.collect()
print(json.dumps([gc.get_freeze_count(), gone() is None, sorted(sys.modules), gc.get_threshold()]))
"""

# What a start need not wait for: exporters of upstream's, their libraries, and frameworks that
# the app may never import.
NOT_AT_START = (
    "fastapi",
    "google.protobuf",
    "grpc",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation.asgi",
    "opentelemetry.instrumentation.fastapi",
    "opentelemetry.sdk._configuration",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.trace.export",
    "otelier.cli",
    "redis",
    "requests",
    "sqlalchemy",
    "starlette",
    "tomllib",
)


def started(folder: Path, **environ: str) -> Any:
    launcher = Path(sys.executable).with_name("opentelemetry-instrument")
    done = subprocess.run(
        [launcher, sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={
            "PATH": os.environ.get("PATH", ""),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return started(tmp_path_factory.mktemp("app"), OTEL_TRACES_EXPORTER="otlp")


def test_a_start_imports_no_more_than_it_needs(usual: Any) -> None:
    """Each of these costs every start some milliseconds, or is there for a few apps only."""
    modules = usual[2]
    assert "otelier.pipeline" in modules
    found = [m for m in modules if any(f"{m}.".startswith(f"{no}.") for no in NOT_AT_START)]
    assert found == []


def test_the_collector_passes_over_what_a_start_has_made(usual: Any) -> None:
    """The app's full collections do not walk over our modules; the app's own garbage goes."""
    frozen, is_collected, _, thresholds = usual
    assert frozen > 10_000
    assert is_collected
    assert thresholds == [2000, 10, 10]


def test_the_collector_is_left_alone_where_otelier_is_off(tmp_path: Path) -> None:
    """Nothing of ours remains with `OTEL_SDK_DISABLED`."""
    frozen, _, _, thresholds = started(tmp_path, OTEL_SDK_DISABLED="true")
    assert frozen == 0
    assert thresholds == _thresholds_of_python()


def test_thresholds_that_somebody_has_chosen() -> None:
    """Stay as they are; a start finds those of a `sitecustomize`, and the app comes later."""
    before, chosen = gc.get_threshold(), (500, 5, 7)
    gc.set_threshold(*chosen)
    try:
        spare_collector()
        assert gc.get_threshold() == chosen
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _thresholds_of_python() -> list[int]:
    program = "import gc; print(*gc.get_threshold())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]
