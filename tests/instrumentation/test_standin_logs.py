"""`LoggingInstrumentor` in an app's code: formats find their fields, and records go out once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from otelier.instrumentation import standin_logs
from otelier.instrumentation.observe import Patches
from tests.conftest import Telemetry
from tests.instrumentation.test_logs import bare_logging, captured, sent

contrib = pytest.importorskip("opentelemetry.instrumentation.logging")
handlers = pytest.importorskip("opentelemetry.instrumentation.logging.handler")


@pytest.fixture(autouse=True)
def stand_ins() -> Iterator[None]:
    patches = Patches()
    standin_logs.put_in(patches, logging.INFO)
    yield
    patches.restore()


def test_beside_the_distros(telemetry: Telemetry) -> None:
    """A record goes out once, also where the app adds contrib's handler itself."""
    with captured():
        instrumentor = contrib.LoggingInstrumentor()
        instrumentor.instrument(inject_trace_context=True)
        logging.root.addHandler(handlers.LoggingHandler())
        record = logging.getLogger("app").makeRecord("app", 20, "", 0, "", (), None)
        logging.getLogger("app").warning("hello")
        instrumentor.uninstrument()
        logging.getLogger("app").warning("goodbye")
    assert hasattr(record, "otelTraceID")
    assert sent(telemetry) == ["hello", "goodbye"]


def test_alone(telemetry: Telemetry) -> None:
    """Where the distro has put in nothing, the app's own call does, until it takes it out."""
    with bare_logging():
        instrumentor = contrib.LoggingInstrumentor()
        instrumentor.instrument()
        logging.getLogger("app").warning("hello")
        instrumentor.uninstrument()
        logging.getLogger("app").warning("goodbye")
    assert sent(telemetry) == ["hello"]
