"""Requests, observed as the distro has them observed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.trace import Span, get_tracer
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


@pytest.fixture(scope="session")
def redis_url(part: Callable[[Any], Any]) -> str:
    """Where a real Redis listens."""
    from parts import redis as server

    return str(part(server.redis).url)


@pytest.fixture(scope="session")
def postgres_url(part: Callable[[Any], Any]) -> str:
    """Where a real PostgreSQL listens, `postgresql://…` without a driver."""
    from parts import postgres as server

    return str(part(server.postgres).url)


@pytest.fixture
def cache(telemetry: Telemetry) -> Iterator[Telemetry]:
    """Redis commands are observed; no fault of ours may have come up meanwhile."""
    from otelier.instrumentation.cache import CacheInstrumentor

    _guard.faults.clear()
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    yield telemetry
    CacheInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


@pytest.fixture
def database(telemetry: Telemetry) -> Iterator[Telemetry]:
    """SQL statements are observed; no fault of ours may have come up meanwhile."""
    from otelier.instrumentation.database import DatabaseInstrumentor

    _guard.faults.clear()
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    yield telemetry
    DatabaseInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


@pytest.fixture
def parent(telemetry: Telemetry) -> Iterator[Span]:
    """The test runs inside a span, as inside a request."""
    with get_tracer("tests").start_as_current_span("request") as span:
        yield span
