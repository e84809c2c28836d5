"""Whoever else observes requests: one SERVER span and one duration point a request, no more.

Real parts: contrib's FastAPI and ASGI packages, FastAPI's own telemetry and Starlette's middleware,
as an app's code asks for them, under the launcher and uvicorn.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from otelier.cli.receiver import ERROR, SERVER, Receiver
from tests.e2e import doubles_app
from tests.e2e.serving import Caller, access_record, durations, records, serve, server_span

VARIANTS = [
    name
    for name, made in vars(doubles_app).items()
    if inspect.isfunction(made) and made.__module__ == doubles_app.__name__
]
SAY_NOTHING = (
    "contrib_instrument",
    "contrib_instrument_app",
    "contrib_instrument_app_twice",
    "contrib_middleware",
    "contrib_with_a_hook",
    "everything",
    "starlette_only",
)


@dataclass(frozen=True)
class Asked:
    """One variant, asked, and ended."""

    variant: str
    receiver: Receiver
    callers: Mapping[str, Caller]


@pytest.fixture(scope="module", params=VARIANTS)
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    callers = {path: Caller() for path in ("/items/1", "/items/one", "/fails/1", "/nowhere")}
    with Receiver() as receiver:
        with serve(f"doubles_app:{request.param}", receiver, "--factory") as server:
            for path, caller in callers.items():
                httpx.get(server.url + path, headers=caller.headers)
        yield Asked(request.param, receiver, callers)


def test_one_of_each(asked: Asked) -> None:
    """One SERVER span under the caller's, one access record, one point, each with the template."""
    for path, caller in asked.callers.items():
        span = server_span(asked.receiver, caller)
        assert span.scope == "otelier.http"
        assert access_record(asked.receiver, caller).span_id == span.span_id
        template = "" if path == "/nowhere" else path[: path.rindex("/")] + "/{item}"
        # A mount at the root takes what nothing matches; Starlette's converter refuses `one`.
        if asked.variant != "starlette_only" and path != "/nowhere":
            assert span.attributes.get("http.route") == template
            assert span.name == f"GET {template}"
    assert len([s for s in asked.receiver.spans if s.kind == SERVER]) == len(asked.callers)
    assert sum(point.count for point in durations(asked.receiver)) == len(asked.callers)


def test_hooks_are_called(asked: Asked) -> None:
    """A hook that the app gave to contrib's class is given the one span."""
    hooked = asked.variant == "contrib_with_a_hook"
    for caller in asked.callers.values():
        assert ("app.hooked" in server_span(asked.receiver, caller).attributes) is hooked


def test_nobody_elses(asked: Asked) -> None:
    """Nothing of the others is left: no second metric, no span for each message of an answer."""
    spans = [s for s in asked.receiver.spans if not s.scope.startswith("otelier")]
    operations = [s for s in spans if s.name.startswith("fastapi.")]
    assert [s.name for s in spans if s not in operations] == []
    known = {"request.duration", "active_requests", "response.body.size"}
    found = {p.name for p in asked.receiver.points if p.name.startswith("http.")}
    assert found == {f"http.server.{name}" for name in known}
    ids = [span.span_id for span in asked.receiver.spans]
    assert len(ids) == len(set(ids)), "sent twice"


def test_records_are_sent_once(asked: Asked) -> None:
    """The app's own record is there, once, under its request's span."""
    caller = asked.callers["/items/1"]
    (log,) = [log for log in records(asked.receiver, caller) if log.scope == "doubles"]
    assert log.span_id == server_span(asked.receiver, caller).span_id


def test_the_exception_is_kept(asked: Asked) -> None:
    """On the one span, once."""
    span = server_span(asked.receiver, asked.callers["/fails/1"])
    assert span.status == ERROR
    assert span.attributes["error.type"] == "doubles_app.OnPurpose"
    assert [name for name, _ in span.events] == ["exception"]


def test_the_validation_record_is_kept(asked: Asked) -> None:
    """What FastAPI itself says of a refused request, under the request's ids, as without us.

    It says nothing where it finds contrib's middleware in its stack, and Starlette never does.
    """
    caller = asked.callers["/items/one"]
    logs = records(asked.receiver, caller)
    found = [log for log in logs if "fastapi.validation.error_count" in log.attributes]
    least = 0 if asked.variant in SAY_NOTHING else 1
    assert least <= len(found) <= 1
    for log in found:
        assert log.body == "Request validation failed"
        assert log.span_id == server_span(asked.receiver, caller).span_id
