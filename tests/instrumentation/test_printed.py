"""Lines of ours on stdout: once each, whatever `logging` is told, and none that is not wanted."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import logging.handlers
import queue
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from loguru import logger as loguru_logger

import otelier
from otelier import _guard, privacy
from otelier.context import RequestContext, current_request
from otelier.errors import mark_recorded
from otelier.instrumentation import outputs
from otelier.instrumentation.logs import LogsInstrumentor
from otelier.instrumentation.loguru import LoguruInstrumentor
from otelier.instrumentation.outputs import Place, place
from otelier.instrumentation.structlog import StructlogInstrumentor
from otelier.sdk.logs import Echo
from tests.conftest import Telemetry
from tests.e2e.logging_app import DICT, PLAIN
from tests.instrumentation.test_logs import Keeping, bare_logging, sent
from tests.instrumentation.test_loguru import Propagate

SERVING = "uvicorn.error"


class Standard:
    """stdout and stderr of a process."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines]


@contextmanager
def printed(output: str = "auto", fields: str = "otelier") -> Iterator[Standard]:
    """A process whose records are printed; without loguru and structlog, unless they are asked."""
    standard = Standard()
    with bare_logging() as last, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", standard.out)
        patch.setattr(sys, "stderr", standard.err)
        for name in ("_is_by_loguru", "_is_by_structlog"):
            patch.setattr(outputs, name, lambda: False)
        LogsInstrumentor().instrument(
            level=logging.INFO, output=output, fields=fields, skip_dep_check=True
        )
        _guard.faults.clear()
        try:
            yield standard
        finally:
            LogsInstrumentor().uninstrument()
        assert dict(_guard.faults) == {}
        standard.err.write("".join(f"last resort: {text}\n" for text in last.seen))


def test_a_server_without_handlers(telemetry: Telemetry) -> None:
    """INFO and above, on stdout; nothing is left for Python's last resort."""
    with printed() as standard:
        logging.getLogger(SERVING).info("Started")
        logging.getLogger("shop").debug("debug")
        logging.getLogger("shop").info("info", extra={"n": [1]})
        logging.getLogger("shop").warning("warning")
    assert standard.messages == ["Started", "info", "warning"] == sent(telemetry)
    assert standard.lines[1]["n"] == [1]
    assert standard.err.getvalue() == ""


def test_a_program_that_serves_nothing() -> None:
    """Its stdout is its own; what Python would have said on stderr is said there, as our line."""
    with printed() as standard:
        logging.getLogger("shop").info("info")
        logging.getLogger("shop").warning("warning")
    assert standard.out.getvalue() == ""
    (line,) = standard.err.getvalue().splitlines()
    assert json.loads(line)["message"] == "warning"


@pytest.mark.parametrize("setup", ["basic", "dict", "one logger", "queue", "other class"])
def test_output_of_the_app(setup: str) -> None:
    """A handler on stdout or stderr, wherever it is attached, keeps its lines, and alone prints."""
    kept = Keeping()
    with printed() as standard:
        if setup == "basic":
            logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=PLAIN)
        elif setup == "dict":
            logging.config.dictConfig(DICT)
        elif setup == "one logger":
            logging.getLogger("elsewhere").addHandler(logging.StreamHandler(sys.stdout))
        elif setup == "queue":
            import queue

            logging.getLogger().addHandler(logging.handlers.QueueHandler(queue.Queue()))
        else:
            logging.getLogger().addHandler(kept)
        logging.getLogger(SERVING).error("server")
        logging.getLogger("shop").error("app")
    assert '{"timestamp"' not in standard.out.getvalue() + standard.err.getvalue()
    if setup in ("basic", "dict"):
        both = [*standard.out.getvalue().splitlines(), *standard.err.getvalue().splitlines()]
        assert both == ["ERROR own server", "ERROR own app"]
    if setup == "other class":
        assert kept.seen == ["server", "app"]


@pytest.mark.parametrize("output", ["auto", "json"])
def test_what_logging_sets_up_by_itself(output: str) -> None:
    """`logging.warning` gives the root logger a handler that no app has asked for: ours go on."""
    with printed(output) as standard:
        logging.getLogger(SERVING).info("Started")
        logging.getLogger("shop").info("before")
        logging.warning("root")
        logging.getLogger("shop").info("after")
        assert len(logging.getLogger().handlers) == 1
    assert standard.messages == ["Started", "before", "root", "after"]
    assert standard.err.getvalue() == ""


def test_what_the_app_makes_of_that_is_its_own() -> None:
    """Once it has a format of the app's; and a program that serves nothing is as it was."""
    with printed() as standard:
        logging.warning("root")
        logging.getLogger(SERVING).info("Started")
        logging.getLogger().handlers[0].setFormatter(logging.Formatter(PLAIN))
        logging.getLogger("shop").warning("after")
    assert standard.messages == ["Started"]
    assert standard.err.getvalue() == "WARNING:root:root\nWARNING own after\n"


def test_configured_later() -> None:
    """Until the app has output of its own the lines are ours, then they are the app's."""
    with printed() as standard:
        logging.getLogger(SERVING).info("first")
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=PLAIN)
        logging.getLogger("shop").info("second")
        logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()], force=True)
        logging.getLogger("shop").info("third")
    first, second, third = standard.out.getvalue().splitlines()
    assert (json.loads(first)["message"], second) == ("first", "INFO own second")
    assert json.loads(third)["message"] == "third"


def test_another_logger_configured_later() -> None:
    """A handler on whatever logger is noticed at the next record."""
    with printed() as standard:
        logging.getLogger(SERVING).info("first")
        logging.getLogger("elsewhere").addHandler(logging.StreamHandler(sys.stdout))
        logging.getLogger("shop").info("second")
    assert standard.messages == ["first"]


def test_handlers_that_write_elsewhere(tmp_path: Any) -> None:
    """They get what they would have got without us, and nothing that is only ours."""
    with printed() as standard:
        handler = logging.FileHandler(tmp_path / "app.log")
        logging.getLogger().addHandler(handler)
        logging.getLogger(SERVING).info("promoted")
        logging.getLogger("shop").warning("warning")
        handler.setLevel(logging.ERROR)
        logging.getLogger("shop").warning("below")
        handler.close()
    assert (tmp_path / "app.log").read_text() == "warning\n"
    assert standard.messages == ["promoted", "warning", "below"]


@pytest.mark.parametrize("output", ["auto", "json"])
def test_access_lines(output: str) -> None:
    """A server's line of a request that we observe is not printed; one of another is."""
    with printed(output) as standard:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
        logging.getLogger("uvicorn.access").info("unknown")
        token = current_request.set(RequestContext("r-1"))
        logging.getLogger("uvicorn.access").info("observed")
        current_request.reset(token)
    assert standard.messages == ["unknown"]


def test_an_exception_that_has_its_record() -> None:
    """What a server says of it once more is not printed."""
    error = ValueError("x")
    mark_recorded(error)
    with printed() as standard:
        logging.getLogger(SERVING).error("again", exc_info=error)
        logging.getLogger(SERVING).error("other", exc_info=ValueError("y"))
    assert standard.messages == ["other"]


def test_asked_for() -> None:
    """`json`: the app's handler stays, its format is ours; what has no handler is printed too."""
    with printed("json") as standard:
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=PLAIN)
        logging.getLogger("shop").info("by the app's handler")
        logging.getLogger("alone").propagate = False
        logging.getLogger("alone").error("without a handler")
        stream = io.StringIO()
        logging.getLogger("file").addHandler(logging.StreamHandler(stream))
        logging.getLogger("file").error("both")
    assert standard.messages == ["by the app's handler", "without a handler", "both"]
    assert stream.getvalue() == "both\n"


def by_queue(stream: Any) -> Iterator[logging.Handler]:
    records: queue.Queue[Any] = queue.Queue()
    yield logging.handlers.QueueHandler(records)
    listener = logging.handlers.QueueListener(records, stream)
    listener.start()
    listener.stop()


def by_memory(stream: Any) -> Iterator[logging.Handler]:
    handler = logging.handlers.MemoryHandler(9, logging.CRITICAL, stream)
    yield handler
    handler.flush()


@pytest.mark.parametrize("output", ["json", "auto"])
@pytest.mark.parametrize("keeping", [by_queue, by_memory])
def test_handlers_that_keep_records_for_another(keeping: Any, output: str) -> None:
    """A record that is written later, or by another thread, is printed once, with its own ids."""
    with printed(output) as standard:
        stream = logging.StreamHandler(sys.stdout)
        stream.setFormatter(logging.Formatter("own %(message)s"))
        steps = keeping(stream)
        logging.root.addHandler(next(steps))
        for number in range(2):
            request = RequestContext(f"r-{number}")
            request.user_id = f"u-{number}"
            request.bind({"tenant": number})
            token = current_request.set(request)
            logging.getLogger("shop").error("%d", number)
            current_request.reset(token)
        logging.getLogger("shop").error("of none")
        token = current_request.set(RequestContext("another's"))
        next(steps, None)
        current_request.reset(token)
    if output == "auto":
        assert standard.out.getvalue() == "own 0\nown 1\nown of none\n"
        return
    names = ("message", "request_id", "user_id", "tenant")
    assert [tuple(line.get(name) for name in names) for line in standard.lines] == [
        ("0", "r-0", "u-0", 0),
        ("1", "r-1", "u-1", 1),
        ("of none", None, None, None),
    ]


def test_console() -> None:
    """For people, without colours where it is no terminal."""
    with printed("console") as standard:
        logging.getLogger("shop").warning("warning", extra={"n": 1})
    line = standard.out.getvalue()
    assert line.endswith("WARNING  shop warning n=1\n")
    assert "\x1b" not in line


def test_loguru_where_asked_for(telemetry: Telemetry) -> None:
    """Its sink on stdout writes our line, other sinks theirs."""
    seen: list[str] = []
    with printed("json") as standard:
        LoguruInstrumentor().instrument(on=True, skip_dep_check=True)
        loguru_logger.remove()
        loguru_logger.add(sys.stdout, format="own {message}")
        loguru_logger.add(seen.append, format="own {message}")
        loguru_logger.bind(n=[1]).info("text")
        loguru_logger.remove()
        LoguruInstrumentor().uninstrument()
    (line,) = standard.lines
    assert (line["message"], line["n"], line["function"]) == (
        "text",
        [1],
        "test_loguru_where_asked_for",
    )
    assert seen == ["own text\n"]


def test_a_secret_that_is_handed_on(telemetry: Telemetry) -> None:
    """From loguru to `logging`: sent once, though what is handed is not what may be told of it."""
    with printed("json") as standard:
        LoguruInstrumentor().instrument(on=True, skip_dep_check=True)
        loguru_logger.remove()
        loguru_logger.add(Propagate(), format="{message}")
        loguru_logger.info("password=hunter2")
        loguru_logger.remove()
        LoguruInstrumentor().uninstrument()
    assert len(sent(telemetry)) == 1
    assert standard.messages == ["password=[masked:password]"]


def test_a_text_is_masked_once(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is sent and what is printed."""
    looks: list[str] = []

    def scan(text: str) -> str:
        looks.append(text)
        return text

    monkeypatch.setattr(privacy, "_scanned", scan)
    with printed("json"):
        logging.getLogger("shop").info("a text")
    assert looks.count("a text") == 1
    assert sent(telemetry) == ["a text"]


def test_structlog_where_asked_for(telemetry: Telemetry) -> None:
    """What it prints to stdout is our line."""
    with printed("json") as standard:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))
        StructlogInstrumentor().instrument(on=True, skip_dep_check=True)
        structlog.get_logger().warning("text", n=[1])
        StructlogInstrumentor().uninstrument()
        structlog.reset_defaults()
    (line,) = standard.lines
    assert (line["message"], line["n"], line["level"]) == ("text", [1], "WARNING")


@pytest.mark.parametrize("fields", ["otelier", "ecs"])
def test_a_security_event(telemetry: Telemetry, fields: str) -> None:
    """It is a line as well, with the user whom it is about."""
    with printed("json", fields) as standard:
        otelier.security_event("auth.failure", user="u-1", reason="password")
    (line,) = standard.lines
    assert line["message"] == line["event.name"] == "auth.failure"
    assert line["user_id" if fields == "otelier" else "user.id"] == "u-1"
    assert (line["reason"], line["otelier.stream"]) == ("password", "security")


def test_a_broken_stdout() -> None:
    """A closed stdout harms no log call."""
    with printed() as standard:
        standard.out.close()
        logging.getLogger(SERVING).error("x")
    assert Counter(_guard.faults) == Counter()


def test_in_and_out() -> None:
    """What is replaced for it is exactly what it was afterwards; without it nothing is."""
    owners = (logging.Logger, logging.Handler)
    before = [dict(vars(owner)) for owner in owners]
    with printed("json"):
        assert logging.Handler.format is not before[1]["format"]
        assert Echo.show is not None
    assert [dict(vars(owner)) for owner in owners] == before
    assert Echo.show is None


def test_places(tmp_path: Any) -> None:
    """What counts as output of the app, of a server, or neither."""
    from uvicorn.logging import DefaultFormatter

    servers, changed = (logging.StreamHandler(sys.stderr) for _ in range(2))
    servers.setFormatter(DefaultFormatter("%(levelprefix)s %(message)s"))
    changed.setFormatter(DefaultFormatter("%(levelprefix)s %(asctime)s %(message)s"))
    file = logging.FileHandler(tmp_path / "x.log", delay=True)
    assert [
        place(handler)
        for handler in (
            servers,
            changed,
            logging.StreamHandler(io.StringIO()),
            file,
            logging.NullHandler(),
            Keeping(),
        )
    ] == [
        Place.SERVERS,
        Place.OWN,
        Place.ELSEWHERE,
        Place.ELSEWHERE,
        Place.ELSEWHERE,
        Place.OTHER_OWN,
    ]
