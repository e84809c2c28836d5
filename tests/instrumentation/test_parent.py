"""The parent that a request names: what upstream's propagators find, whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from opentelemetry import propagate, trace
from opentelemetry.baggage import get_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otelier.instrumentation.parent import extracted

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
USUAL = TraceContextTextMapPropagator()

NAMED = [
    f"00-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-00",
    f"00-{TRACE}-{SPAN}-03",
    f"00-{TRACE}-{SPAN}-ff",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"01-{TRACE}-{SPAN}-01-more",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f" 00-{TRACE}-{SPAN}-01 ",
    f"00-{TRACE}-{SPAN}-01\n",
    "",
    "-",
    "\xff",
]


def by_upstream(propagator: TextMapPropagator, headers: Mapping[bytes, bytes]) -> Context:
    carrier = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
    return propagator.extract(carrier, context=Context())


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagate, "get_global_textmap", lambda: USUAL)


@pytest.mark.usefixtures("usual")
@pytest.mark.parametrize("state", [None, b"vendor=x", b"=", b""])
@pytest.mark.parametrize("named", NAMED)
def test_the_usual_header(named: str, state: bytes | None) -> None:
    """Is read as upstream reads it, with and without a trace state, sound or not."""
    headers = {b"traceparent": named.encode("latin-1")}
    if state is not None:
        headers[b"tracestate"] = state
    ours, theirs = extracted(headers, Context()), by_upstream(USUAL, headers)
    found, expected = (trace.get_current_span(c).get_span_context() for c in (ours, theirs))
    assert found == expected
    assert dict(found.trace_state) == dict(expected.trace_state)


@pytest.mark.usefixtures("usual")
def test_without_a_header() -> None:
    """The context is handed on as it is."""
    context = Context({"kept": 1})
    assert extracted({b"host": b"x"}, context) is context
    named = {b"traceparent": NAMED[0].encode()}
    assert extracted(named, context)["kept"] == 1


def test_baggage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is taken in where the user has chosen its propagator."""
    both = CompositePropagator([USUAL, W3CBaggagePropagator()])
    monkeypatch.setattr(propagate, "get_global_textmap", lambda: both)
    headers = {b"traceparent": NAMED[0].encode(), b"baggage": b"k=v"}
    context = extracted(headers, Context())
    assert get_baggage("k", context) == "v"
    assert format(trace.get_current_span(context).get_span_context().trace_id, "032x") == TRACE


def test_another_propagator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads its own headers, and no `traceparent`."""

    class Own(TextMapPropagator):
        def extract(self, carrier, context=None, getter=None):  # type: ignore[no-untyped-def]
            return Context({"own": getter.get(carrier, "X-Own")})

        def inject(self, carrier, context=None, setter=None) -> None:  # type: ignore[no-untyped-def]
            raise NotImplementedError

        @property
        def fields(self) -> set[str]:
            return {"x-own"}

    monkeypatch.setattr(propagate, "get_global_textmap", Own)
    headers = {b"traceparent": NAMED[0].encode(), b"x-own": b"7"}
    assert extracted(headers, Context()) == {"own": ["7"]}
