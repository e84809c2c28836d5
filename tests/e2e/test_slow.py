"""Slow and repeated statements of an app that knows nothing of Otelier, on a real server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from otelier.cli.receiver import Log, Receiver
from tests.e2e.serving import Caller, access_record, records, serve, server_span

APP = Path(__file__).parent / "slow_app.py"
SLEEPS = ("/sync", "/async")


def line_of(path: str) -> int:
    """Where the app sends the statement of a path."""
    source = APP.read_text(encoding="utf-8").splitlines()
    (number,) = [n for n, line in enumerate(source, 1) if line.endswith(f"# line: {path[1:]}")]
    return number


def only(logs: list[Log], beginning: str) -> Log:
    (log,) = [log for log in logs if str(log.body).startswith(beginning)]
    return log


def test_what_operators_see(receiver: Receiver, stores: dict[str, str]) -> None:
    """One record of each slow statement and of the loop, a plan of each, on its own line."""
    callers = {path: Caller() for path in (*SLEEPS, "/loop")}
    variables = {**stores, "OTELIER_EXPLAIN": "true", "OTELIER_LOG_FORMAT": "json"}
    with serve("slow_app:app", receiver, "--loop", "uvloop", **variables) as server:
        for path, caller in callers.items():
            assert httpx.get(f"{server.url}{path}", headers=caller.headers).status_code == 200
    printed = server.stdout()
    for path in SLEEPS:
        sent = records(receiver, callers[path])
        slow, plan = only(sent, "slow query"), only(sent, "plan of a slow query")
        assert 0.6 < float(str(slow.attributes["otelier.db.query.seconds"])) < 2
        assert slow.attributes["code.file.path"] == str(APP)
        assert slow.attributes["code.line.number"] == line_of(path)
        assert str(plan.attributes["otelier.db.query.plan"]).startswith("Result  (cost=")
        assert access_record(receiver, callers[path]).attributes["otelier.db.statements"] == 2
    repeated = only(records(receiver, callers["/loop"]), "50 times the same query")
    assert repeated.attributes["otelier.db.query.repeats"] == 50
    assert repeated.attributes["code.line.number"] == line_of("/loop")
    assert server_span(receiver, callers["/loop"]).attributes["otelier.db.statements"] == 50
    assert "swordfish" not in printed + repr(receiver.logs)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["message"] for line in lines if line["level"] == "WARNING"] == [
        str(log.body) for log in receiver.logs if log.severity == "WARN"
    ]
    (access,) = [line for line in lines if "/loop" in line["message"]]
    assert access["otelier.db.statements"] == 50
