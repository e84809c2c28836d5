"""Requests, observed as the distro has them observed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otelier import _guard
from otelier.instrumentation.http import HTTPInstrumentor, Options
from tests.conftest import Telemetry


def options(**more: Any) -> Options:
    """The defaults, and what differs."""
    defaults: dict[str, Any] = {
        "header": "X-Request-ID",
        "quiet_paths": frozenset(("/healthz",)),
        "excluded": (re.compile("excluded"),),
        "flush": lambda: None,
    }
    return Options(**{**defaults, **more})


@pytest.fixture
def http(telemetry: Telemetry, propagator: None) -> Iterator[Telemetry]:
    """Requests are observed; no fault of ours may have come up meanwhile."""
    _guard.faults.clear()
    HTTPInstrumentor().instrument(options=options(), skip_dep_check=True)
    yield telemetry
    HTTPInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


@pytest.fixture
def propagator() -> Iterator[None]:
    """The distro's default: trace context, and no baggage."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    yield
    propagate.set_global_textmap(before)
