"""A fault of ours changes no answer: status, headers and body are those of the bare app.

Every line of ours that a request runs through fails once, and every function of ours raises each
time, returns None or hangs. What is called is found by watching, not by name: see faults.py. Real
parts: FastAPI, SQLAlchemy with SQLite, Redis.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import pytest

from otelier import _guard
from otelier.instrumentation.records import Handed
from tests.conftest import Telemetry
from tests.instrumentation.faults import (
    Action,
    Probe,
    Site,
    can_fail,
    fail,
    functions,
    guards,
    hang,
    has_any,
    instrument,
    is_handed_on,
    nothing,
    observed,
    replaced,
    shown,
)
from tests.instrumentation.faulty import Told, app, requests

REQUESTS = requests()
FEW = ("GET /own-id", "GET /fails", "GET /stream", "GET /sql/ada", "GET /cache-async", "GET /logs")
HANGS_SECONDS = 1.0

Sites = Mapping[Site, Sequence[str]]


@dataclass(frozen=True)
class Bare:
    """The app, and what it answers to each request while nothing of ours is there."""

    app: Any
    answers: Mapping[str, Told]

    def ask(self, name: str) -> Told:
        return asyncio.run(REQUESTS[name](self.app))


@pytest.fixture(scope="module")
def bare(part: Callable[[Any], Any]) -> Iterator[Bare]:
    """As in a process that has loguru as well, whose records are handed to and fro."""
    from parts import redis as server

    made = app(part(server.redis).url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handed, "is_on", True)
        yield Bare(made, {name: asyncio.run(ask(made)) for name, ask in REQUESTS.items()})


@pytest.fixture(scope="module")
def sites(bare: Bare, telemetry_of_session: Telemetry) -> Sites:
    """Every line of ours that may fail, and the requests that run through it."""
    found = defaultdict(list)
    for name in REQUESTS:
        with observed(), Probe() as probe:
            bare.ask(name)
        for site in filter(can_fail, probe.seen):
            found[site].append(name)
    return found


def spread(names: Sequence[str], most: int = 5) -> Sequence[str]:
    """At most so many of them, from all over."""
    return names[:: -(-len(names) // most)]


def listen(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing has been counted or said, so that what comes is of one fault alone."""
    _guard.faults.clear()
    _guard._said_at.clear()
    capsys.readouterr()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("otelier: ")]


def of_line(site: Site, name: str, bare: Bare, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is wrong when that line fails in that request."""
    listen(capsys)
    with observed(), Probe(site) as probe:
        told = bare.ask(name)
        again = bare.ask(name)
    wrong = []
    if not told.is_as(bare.answers[name]):
        wrong.append(f"changes the answer to {told.error or told.messages!r:.200}")
    if not again.is_as(bare.answers[name]):
        wrong.append("changes the next answer")
    if probe.fired and (_guard.faults.total() != 1 or len(lines(capsys)) != 1):
        wrong.append(f"is counted as {dict(_guard.faults)}, and not said once")
    return [f"{shown(site)}: {text} of {name}" for text in wrong]


def test_requests_run_through_our_code(sites: Sites, bare: Bare) -> None:
    """The measure itself: every kind of hook is passed, and answers are of every kind."""
    text = " ".join(shown(site) for site in sites)
    for room in ("instrumentation/http", "instrumentation/database", "instrumentation/logs"):
        assert room in text
    assert len(sites) > 60
    statuses = {
        m["status"] for told in bare.answers.values() for m in told.messages if "status" in m
    }
    assert {200, 404, 405, 409, 418, 422, 500, 503} <= statuses


@pytest.mark.parametrize("name", REQUESTS)
def test_observing_changes_nothing(name: str, bare: Bare, telemetry: Telemetry) -> None:
    """Without a fault, the answer is the bare one with the request id on it."""
    _guard.faults.clear()
    with observed():
        told = bare.ask(name)
    assert told.is_as(bare.answers[name])
    assert not _guard.faults


@pytest.mark.timeout(600)  # four hundred lines
@pytest.mark.parametrize(
    "room", ["context", "errors", "export", "instrumentation", "privacy", "sdk"]
)
def test_a_line_that_fails(
    room: str, sites: Sites, bare: Bare, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line fails once: this answer and the next are the bare ones, the fault is counted."""
    found = [site for site in sorted(sites) if shown(site).startswith(room)]
    wrong = [
        text
        for site in found
        for name in spread(sites[site])
        for text in of_line(site, name, bare, capsys)
    ]
    assert wrong == [], "\n".join(wrong)


def test_a_fault_that_is_not_caught_is_found(
    sites: Sites, bare: Bare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the guard lets faults through, or swallows them, the test above fails."""

    def rethrow(doing: str, error: BaseException) -> None:
        raise error

    site = min(site for site in sites if "instrumentation/http" in site[0])
    monkeypatch.setattr(_guard, "fault", rethrow)
    assert "changes the answer" in " ".join(of_line(site, sites[site][0], bare, capsys))
    monkeypatch.setattr(_guard, "fault", lambda doing, error: None)
    assert "not said once" in " ".join(of_line(site, sites[site][0], bare, capsys))


@pytest.fixture(scope="module")
def called(bare: Bare, telemetry_of_session: Telemetry) -> list[FunctionType]:
    """Functions of ours that a few requests call; not those that only set up an object."""
    with observed(), Probe() as probe:
        for name in FEW:
            bare.ask(name)
    found = [each for _, each in sorted(functions().items()) if has_any(each, probe.passed)]
    return [each for each in found if each.__name__ != "__init__"]


def of_function(function: FunctionType, action: Action, bare: Bare) -> list[str]:
    """The requests whose answers change when a function does something else."""
    wrong = []
    for name in FEW:
        with observed(), replaced(function, action):
            told = bare.ask(name)
        if not told.is_as(bare.answers[name]):
            wrong.append(
                f"{function.__qualname__} changes {name}: {told.error or told.messages!r:.200}"
            )
    return wrong


def test_a_function_that_always_raises(
    called: list[FunctionType], sites: Sites, bare: Bare
) -> None:
    """Whatever can fail by itself, and does not catch it by itself."""
    found = [each for each in called if has_any(each, sites) and not guards(each, called)]
    assert len(found) > 15
    assert [text for each in found for text in of_function(each, fail, bare)] == []


def test_a_function_that_returns_none(called: list[FunctionType], bare: Bare) -> None:
    """Whatever should have made something for another of ours, and made nothing."""
    found = [each for each in called if not is_handed_on(each)]
    assert [text for each in found for text in of_function(each, nothing, bare)] == []


def test_a_function_that_hangs(called: list[FunctionType], bare: Bare) -> None:
    """Late is not wrong: all hang in one request, each a little, together for a second."""
    for name in FEW:
        waits = [hang(HANGS_SECONDS / len(called)) for _ in called]
        before = time.monotonic()
        with observed():
            told = with_all_late(called, waits, bare, name)
        assert told.is_as(bare.answers[name])
        assert time.monotonic() - before < 2 * HANGS_SECONDS


def with_all_late(found: list[FunctionType], waits: list[Action], bare: Bare, name: str) -> Told:
    if not found:
        return bare.ask(name)
    with replaced(found[0], waits[0]):
        return with_all_late(found[1:], waits[1:], bare, name)


def starting_sites() -> list[Site]:
    """The lines of ours that are run through when the hooks are put in."""
    with Probe() as probe, observed():
        pass
    return sorted(filter(can_fail, probe.seen))


def test_a_line_that_fails_at_the_start(bare: Bare, telemetry: Telemetry) -> None:
    """Half of the hooks, or none of them: the app answers as ever, and the fault is counted.

    In a child process each, since hooks that are half in cannot be taken out.
    """
    found = starting_sites()
    assert len(found) > 15
    wrong = [shown(site) for site in found if in_child(lambda site=site: starts(site, bare))]
    assert wrong == [], "\n".join(wrong)


def starts(site: Site, bare: Bare) -> int:
    """0 when all is well although that line fails."""
    _guard.faults.clear()
    with Probe(site) as probe:
        instrument()
    changed = [name for name in FEW if not bare.ask(name).is_as(bare.answers[name])]
    return 2 if changed else int(probe.fired > _guard.faults.total())


def in_child(run: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = run()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
