"""What a child process gets, and what it takes up."""

from __future__ import annotations

import contextvars

import pytest
from opentelemetry.trace import get_tracer

from otelier._upstream import current_span
from otelier.context import RequestContext, current_request
from otelier.inheritance import adopt, environ
from tests.conftest import Telemetry

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = {"OTELIER_REQUEST_ID": "r-1", "TRACEPARENT": f"00-{TRACE}-{SPAN}-01", "TRACESTATE": "a=b"}


def taken(variables: dict[str, str]) -> tuple[str | None, int, dict[str, str]]:
    """Request id and trace id in force after it, and what is handed on from there."""

    def look() -> tuple[str | None, int, dict[str, str]]:
        adopt(variables)
        request = current_request.get()
        trace_id = current_span().get_span_context().trace_id
        return request.request_id if request else None, trace_id, environ()

    return contextvars.Context().run(look)


def test_it_is_handed_on(telemetry: Telemetry) -> None:
    """Trace and request id; nothing of the user."""

    def look() -> dict[str, str]:
        box = RequestContext("r-1")
        box.user_id = "alice"
        current_request.set(box)
        with get_tracer("the app").start_as_current_span("work"):
            return environ()

    found = contextvars.Context().run(look)
    assert set(found) == {"TRACEPARENT", "OTELIER_REQUEST_ID"}
    request_id, trace_id, _ = taken(found)
    assert request_id == "r-1"
    assert f"{trace_id:032x}" == found["TRACEPARENT"].split("-")[1]


def test_it_is_taken_up_and_handed_on_again() -> None:
    """As it came, trace state included."""
    assert taken(GOOD) == ("r-1", int(TRACE, 16), GOOD)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"OTELIER_REQUEST_ID": ""}, (None, 0)),
        ({"OTELIER_REQUEST_ID": "a\nb"}, (None, 0)),
        ({"OTELIER_REQUEST_ID": "\ud800"}, (None, 0)),
        ({"TRACEPARENT": "nonsense"}, ("r-1", 0)),
        ({"TRACEPARENT": f"00-{'0' * 32}-{SPAN}-01"}, ("r-1", 0)),
        ({"TRACESTATE": "nonsense"}, ("r-1", int(TRACE, 16))),
    ],
)
def test_what_is_not_taken_up(changed: dict[str, str], expected: tuple[object, int]) -> None:
    """A trace alone is not meant for us, and what is malformed is nobody's."""
    assert taken({**GOOD, **changed})[:2] == expected
