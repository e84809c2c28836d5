"""Log records on stdout and at the receiver, on real servers: none is lost, none is doubled.

Each case starts a server. `FULL=1 pytest tests/e2e/test_printed.py` runs all of them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from otelier.cli.receiver import Receiver
from parts import free_ports
from parts.server import Server
from tests.e2e.logging_app import DICT, FILE

HERE = Path(__file__).parent
REQUESTS = 3
UVICORN = "uvicorn logging_app:app --port {port}"
GUNICORN = (
    "gunicorn logging_app:app --bind 127.0.0.1:{port} --workers 1 --access-logfile - "
    "--worker-class uvicorn_worker.UvicornWorker"
)


class Run:
    """What one server has said and sent, for some requests."""

    def __init__(self, command: str, folder: Path, **variables: str) -> None:
        (port,) = free_ports(1)
        with Receiver() as receiver:
            environ = {
                "OTEL_SERVICE_NAME": "shop",
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                "FOLDER": str(folder),
                **variables,
            }
            with Server(command.format(port=port).split(), port, HERE, environ) as server:
                self.ids = [_get(f"{server.url}/log/{n}") for n in range(REQUESTS)]
                self.failed = _get(f"{server.url}/fail")
            self.out, self.err = server.stdout(), server.stderr()
            self.sent = Counter(str(log.body) for log in receiver.logs if log.scope == "shop")
            self.access = [log for log in receiver.logs if log.scope == "otelier.access"]
            self.loguru = [log for log in receiver.logs if log.scope == "logging_app"]
        assert "; the app goes on" not in self.err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Of stdout, each one JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    def plain(self, mark: str = "own") -> Counter[str]:
        lines = [*self.out.splitlines(), *self.err.splitlines()]
        found = (f" {line}".partition(f" {mark} ")[2] for line in lines)
        return Counter(text for text in found if text)


def _get(url: str) -> str:
    """The request id of its answer."""
    try:
        with urlopen(Request(url), timeout=10) as answer:
            return str(answer.headers["X-Request-ID"])
    except HTTPError as answer:
        return str(answer.headers["X-Request-ID"])


EACH = Counter(f"{level} {n}" for level in ("info", "warning") for n in range(REQUESTS))


def is_ours(run: Run, names: Mapping[str, str] | None = None) -> None:
    """Every record is one line of stdout, with its ids; stderr holds none."""
    names = names or {"message": "message", "logger": "logger", "request": "request_id"}
    of_app = [line for line in run.lines if line.get(names["logger"]) == "shop"]
    assert Counter(line[names["message"]] for line in of_app) == EACH
    for line in of_app:
        assert line[names["request"]] == run.ids[int(line["message"].split()[1])]
    access = [line for line in run.lines if line.get(names["logger"]) == "otelier.access"]
    assert [line[names["request"]] for line in access] == [*run.ids, run.failed]
    failures = [line for line in run.lines if "failed on purpose" in json.dumps(line)]
    assert [line[names["request"]] for line in failures] == [run.failed]
    assert "Traceback" not in run.err
    assert not [line for line in run.err.splitlines() if line.startswith(("INFO", "[", "warning"))]


def is_the_apps(run: Run) -> None:
    """The app's lines are as they were, and no line is ours, but for those of gunicorn's first
    process, which never loads the app."""
    assert {text: n for text, n in run.plain().items() if text in EACH} == EACH
    ours = [json.loads(line) for line in run.out.splitlines() if line.startswith('{"timestamp"')]
    assert [line for line in ours if line["logger"] != "gunicorn.error"] == []
    assert '{"timestamp"' not in run.err


def cases(*short: Any, full: tuple[Any, ...]) -> list[Any]:
    return [*short, *full] if os.environ.get("FULL") else list(short)


@pytest.mark.parametrize(
    ("command", "setup"),
    cases(
        (GUNICORN, "nothing"),
        full=((UVICORN, "nothing"), (UVICORN, "to a file"), (GUNICORN, "to a file")),
    ),
)
def test_an_app_without_output_of_its_own(command: str, setup: str, tmp_path: Path) -> None:
    """Lines of ours, the server's records among them; a file of the app's is as it was."""
    run = Run(command, tmp_path, SETUP=setup)
    assert run.sent == EACH
    assert len(run.access) == REQUESTS + 1
    is_ours(run)
    servers = [line for line in run.lines if line["logger"].startswith(("uvicorn", "gunicorn"))]
    assert Counter(line["message"] for line in servers)["Application startup complete."] == 1
    assert {line["service"] for line in run.lines} == {"shop"}
    if setup == "to a file":
        written = (tmp_path / "app.log").read_text().splitlines()
        assert Counter(line.rpartition(":")[2] for line in written if ":shop:" in line) == EACH


@pytest.mark.parametrize(
    ("command", "setup"),
    cases(
        (UVICORN, "dict"),
        full=(
            (UVICORN, "basic"),
            (UVICORN, "force"),
            (UVICORN, "dict without uvicorn"),
            (GUNICORN, "file"),
        ),
    ),
)
def test_an_app_with_output_of_its_own(command: str, setup: str, tmp_path: Path) -> None:
    """Its lines and the server's stay what they are."""
    run = Run(command, tmp_path, SETUP=setup)
    assert run.sent == EACH
    is_the_apps(run)
    if "without" not in setup:
        assert (run.out + run.err).count('GET /log/0 HTTP/1.1" 200') == 1


@pytest.mark.parametrize("command", cases(GUNICORN, full=(UVICORN,)))
def test_a_configuration_given_to_the_server(command: str, tmp_path: Path) -> None:
    """`--log-config` with a handler of the app."""
    (tmp_path / "log.json").write_text(json.dumps(DICT))
    text = FILE.replace("keys=root", "keys=root,gunicorn.error,gunicorn.access", 1) + "".join(
        f"\n[logger_gunicorn.{name}]\nlevel=INFO\nhandlers=out\nqualname=gunicorn.{name}\n"
        "propagate=0\n"
        for name in ("error", "access")
    )
    (tmp_path / "log.ini").write_text(text)
    file = tmp_path / ("log.json" if command == UVICORN else "log.ini")
    run = Run(f"{command} --log-config {file}", tmp_path)
    assert run.sent == EACH
    is_the_apps(run)


@pytest.mark.parametrize(
    ("command", "setup", "fields"),
    cases(
        (UVICORN, "basic", "ecs"),
        full=((GUNICORN, "dict", "otelier"), (UVICORN, "nothing", "datadog")),
    ),
)
def test_asked_for(command: str, setup: str, fields: str, tmp_path: Path) -> None:
    """`json`: formats of the app's own handlers are replaced, and each record is one line."""
    variables = {"OTELIER_LOG_FORMAT": "json", "OTELIER_LOG_FIELDS": fields}
    run = Run(command, tmp_path, SETUP=setup, **variables)
    assert run.sent == EACH
    is_ours(
        run,
        {
            "ecs": {"message": "message", "logger": "log.logger", "request": "http.request.id"},
            "datadog": {
                "message": "message",
                "logger": "logger.name",
                "request": "http.request_id",
            },
        }.get(fields),
    )


def test_off(tmp_path: Path) -> None:
    """`off`: Python's own line for a warning, uvicorn's for a request."""
    run = Run(UVICORN, tmp_path, OTELIER_LOG_FORMAT="off")
    assert run.sent == EACH
    assert run.plain("warning") == Counter({"0": 1, "1": 1, "2": 1})
    assert '{"timestamp"' not in run.out + run.err
    assert run.out.count('GET /log/0 HTTP/1.1" 200') == 1


@pytest.mark.parametrize("how", cases("json", full=("auto",)))
def test_loguru(how: str, tmp_path: Path) -> None:
    """An app whose output is loguru's keeps it; with `json` its sink writes our lines."""
    run = Run(UVICORN, tmp_path, SETUP="loguru", OTELIER_LOG_FORMAT=how)
    assert run.sent == EACH
    assert Counter(str(log.body) for log in run.loguru) == Counter(
        {f"loguru {n}": 1 for n in range(REQUESTS)}
    )
    if how == "auto":
        assert run.plain() == Counter({f"loguru {n}": 1 for n in range(REQUESTS)})
        assert '{"timestamp"' not in run.out + run.err
    else:
        is_ours(run)
        own = [line for line in run.lines if line["logger"] == "logging_app"]
        assert [(line["message"], line["number"]) for line in own] == [
            (f"loguru {n}", n) for n in range(REQUESTS)
        ]
        assert [line["request_id"] for line in own] == run.ids
