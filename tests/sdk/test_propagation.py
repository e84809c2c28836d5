"""What the global propagators carry, for each value of `OTEL_PROPAGATORS`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import propagate

from otelier.loading import load
from otelier.sdk.propagation import put_in_force


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("", {"traceparent", "tracestate"}),
        ("tracecontext,baggage", {"traceparent", "tracestate", "baggage"}),
        ("baggage", {"baggage"}),
        ("none", set()),
        ("nonsense", {"traceparent", "tracestate"}),
    ],
)
def test_what_travels(value: str, fields: set[str]) -> None:
    """The setting's, by default without baggage, whatever was there before."""
    put_in_force(load({"OTEL_PROPAGATORS": value})["OTEL_PROPAGATORS"])
    assert propagate.get_global_textmap().fields == fields
