"""What every span of a request carries, whoever started it."""

from __future__ import annotations

import threading
from contextvars import copy_context

from opentelemetry.trace import get_tracer

from otelier.context import RequestContext, current_request
from tests.conftest import Telemetry


def test_ids_of_the_request(telemetry: Telemetry) -> None:
    """A user's own span is stamped as it starts, with what is known by then."""
    box = RequestContext("r-1")
    token = current_request.set(box)
    try:
        get_tracer("users").start_span("before").end()
        box.user_id = "u-1"
        get_tracer("users").start_span("after").end()
    finally:
        current_request.reset(token)
    assert [dict(span.attributes or {}) for span in telemetry.spans] == [
        {"http.request.id": "r-1"},
        {"http.request.id": "r-1", "user.id": "u-1"},
    ]


def test_outside_of_a_request(telemetry: Telemetry) -> None:
    """A span of no request carries nothing."""
    get_tracer("users").start_span("job").end()
    assert dict(telemetry.spans[0].attributes or {}) == {}


def test_in_a_thread(telemetry: Telemetry) -> None:
    """A thread that is given the context belongs to the request."""
    token = current_request.set(RequestContext("r-1"))
    context = copy_context()
    current_request.reset(token)
    thread = threading.Thread(target=context.run, args=(_one_span,))
    thread.start()
    thread.join()
    assert dict(telemetry.spans[0].attributes or {}) == {"http.request.id": "r-1"}


def _one_span() -> None:
    get_tracer("users").start_span("in a thread").end()
