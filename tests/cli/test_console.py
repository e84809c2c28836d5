"""What the console draws: the tree of a request, the table of routes."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from otelier.cli import console, route_table, trace_tree
from otelier.cli.console import Traces
from otelier.cli.receiver import CLIENT, ERROR, SERVER, Log, Received, Receiver, Span
from otelier.cli.terminal import Terminal, clean, duration

MS = 1_000_000


class Screen(io.StringIO):
    """A terminal of a given width that keeps what is written to it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def terminal(width: int, monkeypatch: pytest.MonkeyPatch, **environ: str) -> Terminal:
    monkeypatch.setenv("COLUMNS", str(width))
    return Terminal(Screen(), environ)


def span(name: str, start: float, end: float, **more: object) -> Span:
    made = {
        "kind": CLIENT,
        "trace_id": "ab" * 16,
        "span_id": name,
        "parent_id": "root",
        "status": 0,
        "attributes": {},
        "events": (),
        "scope": "test",
        "resource": {},
    }
    return Span(name=name, start=int(start * MS), end=int(end * MS), **(made | more))  # type: ignore[arg-type]


def request(name: str = "GET /x/{y}", **more: object) -> Span:
    about = {"http.request.id": "req-1", "http.response.status_code": 200, "user.id": "u7"}
    made = {"kind": SERVER, "span_id": "root", "parent_id": "", "attributes": about}
    return span(name, 0, 100, **(made | more))


def log(time: float, body: str, severity: str = "INFO", span_id: str = "root") -> Log:
    return Log(body, severity, "ab" * 16, span_id, int(time * MS), {}, "shop", {})


SPANS = [
    span("SELECT things", 20, 60, attributes={"db.system.name": "postgresql"}),
    span("GET", 5, 15, attributes={"db.system.name": "redis"}),
    span("work", 61, 99),
    span("INSERT logs", 70, 80, parent_id="work", attributes={"db.system.name": "sqlite"}),
]


def test_tree_is_in_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans and records by time, children indented, ids and durations in sight."""
    logs = [log(90, "late"), log(1, "early"), log(75, "inside", span_id="INSERT logs")]
    screen = terminal(80, monkeypatch, NO_COLOR="1")
    lines = trace_tree.render([request(), *SPANS], logs, screen)
    assert lines[0] == "GET /x/{y}  200  100 ms"
    assert "request req-1" in lines[1]
    assert any(f"trace {'ab' * 16}" in line for line in lines[1:3])
    assert any("user u7" in line for line in lines[1:3])
    body = [line[11:].split() for line in lines if line[:9].endswith("ms")]
    assert [words[:3] for words in body] == [
        ["INFO", "shop", "early"],
        ["redis", "GET", "10.0"],
        ["sql", "SELECT", "things"],
        ["span", "work", "38.0"],
        ["sql", "INSERT", "logs"],
        ["INFO", "shop", "inside"],
        ["INFO", "shop", "late"],
    ]
    inner = next(line for line in lines if "INSERT" in line)
    assert inner.index("sql") > next(line for line in lines if "SELECT" in line).index("sql")


def test_failure_is_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without colours an error is still told from a success."""
    event = ("exception", {"exception.type": "KeyError", "exception.message": "'a'"})
    about = {"http.request.id": "r", "http.response.status_code": 500}
    root = request(status=ERROR, events=(event,), attributes=about)
    failed = span("SELECT x", 1, 2, status=ERROR, attributes={"db.system.name": "mysql"})
    lines = trace_tree.render([root, failed], [], terminal(80, monkeypatch, NO_COLOR="1"))
    assert "500 ERROR" in lines[0]
    assert any("SELECT x ERROR" in line for line in lines)
    assert any("raised KeyError: 'a'" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_nothing_is_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long and hostile texts are cut and escaped, whatever the width."""
    hostile = "a\x1b[2J\r\nb\u202ec\x00" * 50
    spans = [request(), span(hostile, 1, 99), *SPANS, request(name=hostile, span_id="other")]
    screen = terminal(width, monkeypatch, NO_COLOR="1")
    lines = trace_tree.render(spans, [log(3, hostile), log(4, hostile, "ERROR")], screen)
    lines += route_table.render(spans, screen)
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)


def request_named(name: str, start: float, end: float, status: int = 0) -> Span:
    return span(name, start, end, kind=SERVER, status=status)


def test_rates_and_percentiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred requests of 1 to 100 ms within ten seconds, two of them failed."""
    spans = [request_named("GET /a", 9900 * n / 99, 9900 * n / 99 + n + 1) for n in range(100)]
    spans += [request_named("GET /b", 5, 6, ERROR), request_named("GET /b", 5, 6, ERROR)]
    title, first, second = route_table.render(spans, terminal(100, monkeypatch, NO_COLOR="1"))
    assert title.split() == ["route", "requests", "req/s", "p50", "p95", "p99", "errors"]
    assert first.split() == [
        "GET",
        "/a",
        "100",
        "10.0",
        "50.0",
        "ms",
        "95.0",
        "ms",
        "99.0",
        "ms",
        "0",
    ]
    assert second.split() == ["GET", "/b", "2", "0.2", "1.0", "ms", "1.0", "ms", "1.0", "ms", "2"]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5], 0.5, 5), ([1, 2], 0.5, 1), ([1, 2, 3], 0.5, 2), ([1, 2], 0.99, 2), ([3, 1, 2], 1, 3)],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    """The smallest value that the share of all values do not exceed."""
    assert route_table.percentile(values, share) == expected


def test_colours_only_where_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, unless NO_COLOR is set; never in a file."""
    assert terminal(80, monkeypatch).paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert terminal(80, monkeypatch, NO_COLOR="1").paint("x", "red") == "x"
    assert Terminal(io.StringIO(), {}).paint("x", "red") == "x"


def test_texts() -> None:
    """Control characters are shown, lengths bounded, durations readable."""
    assert clean("a\nb\x1b[31m", 99) == r"a\nb\x1b[31m"
    assert clean("abcdef", 4) == "abc…"
    assert [duration(n) for n in (3e5, 12e6, 250e6, 1.5e9)] == [
        "0.3 ms",
        "12.0 ms",
        "250 ms",
        "1.50 s",
    ]


def test_request_is_shown_when_its_trace_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its SERVER span is there and a moment has passed; then once."""
    traces = Traces()
    traces.add(Received(spans=SPANS[:1], logs=[log(1, "x")]))
    monkeypatch.setattr(console, "_QUIET_SECONDS", -1)
    assert traces.finished() == []
    traces.add(Received(spans=[request()]))
    monkeypatch.setattr(console, "_QUIET_SECONDS", 60)
    assert traces.finished() == []
    monkeypatch.setattr(console, "_QUIET_SECONDS", -1)
    ((spans, logs),) = traces.finished()
    assert (len(spans), len(logs)) == (2, 1)
    assert traces.finished() == []


def test_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line, a hint, and a failure."""
    with Receiver() as receiver:
        port = int(receiver.url.rpartition(":")[2])
        assert console.run(argparse.Namespace(port=port)) == 1
    line, hint = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert hint.startswith("hint: ")


def test_demo_ends_by_itself() -> None:
    """`python -m demo`, not interactive: the correlated request, the routes, exit code 0."""
    root = Path(__file__).parents[2]
    environ = {name: value for name, value in os.environ.items() if "OTEL" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "GET /api/v1/contacts/{contact_id}  200  " in done.stdout
    for piece in ("request ", "trace ", "redis GET", "sql   SELECT contacts", "INFO  crm.contacts"):
        assert piece in done.stdout
    assert "raised IndexError: list index out of range" in done.stdout
    assert "requests, all of them here" in done.stdout


def test_demo_says_what_is_wrong() -> None:
    """A database that does not answer: one line that names it, and a failure."""
    root = Path(__file__).parents[2]
    environ = os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("demo: PostgreSQL of DATABASE_URL does not answer at 127.0.0.1:9")
