"""Other products in the same process: named when they are at work, and never doubled or touched."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sentry_sdk
from fastapi import FastAPI

from otelier import _guard
from otelier.instrumentation.http import HTTPInstrumentor
from otelier.instrumentation.neighbours import NEIGHBOURS, lines
from tests.conftest import Telemetry
from tests.instrumentation.asking import ask
from tests.instrumentation.conftest import options

DSN = "http://key@127.0.0.1:9/1"


def of(**modules: Any) -> list[str]:
    """Names of those that are found at work; module names with `__` for the dot."""
    known = {name.replace("__", "."): module for name, module in modules.items()}
    return [line.partition(" is active too: ")[0] for line in lines(known)]


def ddtrace(*, enabled: bool = True) -> Any:
    return SimpleNamespace(tracer=SimpleNamespace(enabled=enabled))


def newrelic(key: str | None, *, monitors: bool = True) -> Any:
    settings = SimpleNamespace(license_key=key, monitor_mode=monitors)
    return SimpleNamespace(global_settings=lambda: settings)


@pytest.mark.parametrize(
    ("modules", "names"),
    [
        ({}, []),
        ({"ddtrace": ddtrace()}, []),
        ({"ddtrace": ddtrace(), "ddtrace__auto": None}, ["ddtrace"]),
        ({"ddtrace": ddtrace(), "ddtrace__bootstrap__preload": None}, ["ddtrace"]),
        ({"ddtrace": ddtrace(), "ddtrace__contrib__internal__fastapi__patch": None}, ["ddtrace"]),
        ({"ddtrace": ddtrace(enabled=False), "ddtrace__auto": None}, []),
        ({"newrelic__agent": newrelic("key")}, ["newrelic"]),
        ({"newrelic__agent": newrelic(None)}, []),
        ({"newrelic__agent": newrelic("key", monitors=False)}, []),
        ({"elasticapm": SimpleNamespace(get_client=lambda: None)}, []),
        ({"elasticapm": SimpleNamespace(get_client=object)}, ["elastic-apm"]),
        ({"elasticapm": object(), "ddtrace": object(), "ddtrace__auto": None}, []),
    ],
)
def test_who_is_at_work(modules: dict[str, Any], names: list[str]) -> None:
    """Being imported is not enough, and a release that answers otherwise is left out."""
    assert of(**modules) == names


def test_every_line_says_what_follows() -> None:
    """A line is one line, and names what to do or where things go."""
    for neighbour in NEIGHBOURS:
        assert "\n" not in neighbour.remark
        assert len(neighbour.remark) > 20


def test_a_wrapper_that_hides_us() -> None:
    """Elastic's starts the app without us, and is named by the process that still sees it."""
    (line,) = lines({}, ["python", "/usr/bin/elasticapm-run", "uvicorn", "app:app"])
    assert line.startswith("elasticapm-run keeps Otelier out")
    assert lines({}, ["python", "-m", "uvicorn", "elasticapm-run"]) == []


@pytest.fixture(scope="module", autouse=True)
def logging_without_sentry() -> Iterator[None]:
    """Afterwards: its hook stays where it is for as long as the process lives."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
        yield


@pytest.fixture
def sentry() -> Iterator[list[Any]]:
    """The real Sentry SDK, switched on; yields what it would send."""
    sent: list[Any] = []

    def keep(event: Any, hint: Any) -> None:
        sent.append(event)

    before = sentry_sdk.get_client()
    sentry_sdk.init(
        DSN,
        before_send=keep,
        before_send_transaction=keep,
        traces_sample_rate=1.0,
        auto_session_tracking=False,
        send_client_reports=False,
    )
    yield sent
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(before)


def test_the_real_sentry(sentry: list[Any]) -> None:
    """It is at work from its `init` on; imported it always is, with FastAPI's command line."""
    assert [line for line in lines(sys.modules) if line.startswith("sentry-sdk is active too: ")]
    sentry_sdk.get_global_scope().set_client(None)
    assert not [line for line in lines(sys.modules) if line.startswith("sentry-sdk")]


def app() -> FastAPI:
    made = FastAPI()

    @made.get("/fails")
    async def fails() -> None:
        raise LookupError("on purpose")

    @made.get("/works/{number}")
    async def works(number: int) -> int:
        return number

    return made


def test_side_by_side_with_sentry(
    sentry: list[Any], telemetry: Telemetry, propagator: None
) -> None:
    """One SERVER span of ours a request, its error in both, and the answer of the bare app."""
    bare = [ask(app(), path) for path in ("/works/7", "/fails", "/nowhere")]
    sentry.clear()
    telemetry.clear()  # FastAPI itself sends, where nobody of ours is there
    _guard.faults.clear()
    HTTPInstrumentor().instrument(options=options(), skip_dep_check=True)
    try:
        told = [ask(app(), path) for path in ("/works/7", "/fails", "/nowhere")]
    finally:
        HTTPInstrumentor().uninstrument()
    assert [(one.status, one.body) for one in told] == [(one.status, one.body) for one in bare]
    assert [span.name for span in telemetry.spans] == ["GET /works/{number}", "GET /fails", "GET"]
    failed = telemetry.spans[1]
    assert [event.name for event in failed.events] == ["exception"]
    errors = [event for event in sentry if event.get("level") == "error"]
    assert [event["exception"]["values"][-1]["type"] for event in errors] == ["LookupError"]
    assert not _guard.faults
