"""Events of the security stream: sent whatever the app's levels are, and never in its way."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

from opentelemetry._logs import SeverityNumber

import otelier
from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.sdk.logs import Echo
from tests.conftest import Telemetry


class Wordless:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_event(telemetry: Telemetry) -> None:
    """Name, stream, user, attributes, and the ids of span and request."""
    box = RequestContext("r-1")
    box.user_id = "u-of-request"
    token = current_request.set(box)
    logging.disable(logging.CRITICAL)
    try:
        with telemetry.providers.tracer.get_tracer("t").start_as_current_span("s"):
            otelier.security_event("auth.failure", user="u-1", attempts=3, reason="password")
    finally:
        logging.disable(logging.NOTSET)
        current_request.reset(token)
    (found,) = telemetry.records
    record: Any = found.log_record
    assert (record.event_name, record.body) == ("auth.failure", "auth.failure")
    assert (record.severity_number, record.severity_text) == (SeverityNumber.WARN, "WARN")
    assert dict(record.attributes) == {
        "otelier.stream": "security",
        "http.request.id": "r-1",
        "user.id": "u-1",
        "attempts": 3,
        "reason": "password",
    }
    assert record.span_id == telemetry.spans[0].context.span_id


def test_the_user_of_the_request(telemetry: Telemetry) -> None:
    """Unless it is about somebody else."""
    box = RequestContext("r-1")
    box.user_id = "u-of-request"
    token = current_request.set(box)
    otelier.security_event("role.change", severity="INFO")
    current_request.reset(token)
    (found,) = telemetry.records
    assert (found.log_record.attributes or {})["user.id"] == "u-of-request"
    assert found.log_record.severity_text == "INFO"


def test_it_is_of_the_last_to_be_dropped(telemetry: Telemetry) -> None:
    """The record says so to whoever has no room."""
    kept: list[Any] = []
    Echo.show = kept.append
    try:
        otelier.security_event("auth.failure")
    finally:
        Echo.show = None
    assert [log.is_kept for log in kept] == [True]


def test_nothing_is_raised(telemetry: Telemetry) -> None:
    """Whatever it is called with."""
    _guard.faults.clear()
    more: dict[str, Any] = {"x": Wordless(), "\ud800": "\ud800", "huge": 2**70, "no": None}
    otelier.security_event("\ud800", user=Wordless(), severity="LOUD", **more)
    otelier.security_event(Wordless())  # type: ignore[arg-type]
    first, second = telemetry.records
    assert (first.log_record.severity_text, second.log_record.body) == ("WARN", "<Wordless>")
    assert (first.log_record.attributes or {})["user.id"] == "<Wordless>"
    assert dict(_guard.faults) == {}


def test_without_a_running_otelier() -> None:
    """Nothing is recorded, nothing is said."""
    program = "import otelier; otelier.security_event('auth.failure', user=1); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("on\n", "")
