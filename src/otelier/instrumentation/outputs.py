"""Where the handlers of an app write: which lines are the app's own, and which a server's.

A handler counts by its class and its stream, at the moment that it is asked about. Whatever is not
known counts as the app's own output: nothing is then printed beside it.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from contextlib import suppress
from enum import Enum, auto
from operator import attrgetter
from types import FrameType
from typing import Any

from otelier import _guard
from otelier.instrumentation.origins import ORIGINS


class Place(Enum):
    """OWN: a stream of the app on stdout or stderr. OTHER_OWN: output of the app in another way.
    SERVERS: what a server has put there by itself, or `logging` at `logging.warning(…)`, which no
    app has asked for. ELSEWHERE: a file, the network, nowhere.
    """

    OWN = auto()
    OTHER_OWN = auto()
    SERVERS = auto()
    ELSEWHERE = auto()


_ELSEWHERE: tuple[type[logging.Handler], ...] = (
    logging.FileHandler,
    logging.NullHandler,
    logging.handlers.SocketHandler,
    logging.handlers.SysLogHandler,
    logging.handlers.SMTPHandler,
    logging.handlers.HTTPHandler,
    logging.handlers.NTEventLogHandler,
    logging.handlers.BufferingHandler,
)
_ELSEWHERE_PACKAGES = frozenset(
    (
        "_pytest",
        "ddtrace",
        "ecs_logging",
        "elasticapm",
        "fluent",
        "google",
        "graypy",
        "logging_loki",
        "logstash",
        "logstash_async",
        "logtail",
        "newrelic",
        "opentelemetry",
        "raven",
        "rollbar",
        "sentry_sdk",
        "watchtower",
    )
)

# The formats that uvicorn and FastAPI's command come with; one that a user has changed is theirs.
_SERVER_FORMATTERS = ("uvicorn.logging", "fastapi_cli.utils.cli")
_SERVER_FORMATS = (
    "%(levelprefix)s %(message)s",
    '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s',
    "%(levelprefix)s %(client_addr)s - '%(request_line)s' %(status_code)s",
)
_UNASKED = "_otelier_unasked"
_PRINTING_FACTORIES = ("PrintLoggerFactory", "WriteLoggerFactory", "BytesLoggerFactory")


def place(handler: logging.Handler) -> Place:
    if isinstance(handler, _ELSEWHERE):
        return _behind(handler)
    if isinstance(handler, logging.StreamHandler):
        if not is_standard(handler.stream):
            return Place.ELSEWHERE
        return Place.SERVERS if _is_of_a_server(handler) else Place.OWN
    package = type(handler).__module__.partition(".")[0]
    return Place.ELSEWHERE if package in _ELSEWHERE_PACKAGES else Place.OTHER_OWN


def _behind(handler: logging.Handler) -> Place:
    """Of a handler that keeps records for another one, where that one writes."""
    target = getattr(handler, "target", None)
    if isinstance(target, logging.Handler) and place(target) in (Place.OWN, Place.OTHER_OWN):
        return Place.OTHER_OWN
    return Place.ELSEWHERE


def is_standard(stream: Any) -> bool:
    """Whether it is stdout or stderr, perhaps in a wrapper."""
    for known in (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__):
        if stream is known:
            return True
    with suppress(Exception):  # a stream of the app's own class, or closed
        return stream.fileno() in (1, 2)
    return False


def note_unasked(logger: logging.Logger, handler: logging.Handler, caller: FrameType) -> None:
    """`logging.warning(…)` sets the root logger up by itself where the app has not.

    caller: the frame that adds the handler.
    """
    asking = caller.f_back
    is_of_logging = caller.f_code is logging.basicConfig.__code__
    if is_of_logging and asking is not None and asking.f_globals is vars(logging):
        setattr(handler, _UNASKED, True)


def _is_of_a_server(handler: logging.Handler) -> bool:
    form: Any = handler.formatter
    if getattr(handler, _UNASKED, False):
        return bool(form._fmt == logging.BASIC_FORMAT)  # else the app has made it its own since
    if getattr(handler, "_gunicorn", False):
        return True
    return type(form).__module__ in _SERVER_FORMATTERS and form._fmt in _SERVER_FORMATS


class Way:
    """Where the records of a logger go, as its handlers were when it was made.

    elsewhere: the handlers that write elsewhere. has_own: whether one is output of the app's;
    has_other_own: in another way than on a stream. is_bare: whether there is none at all.
    now: what the logger and those above it have at the moment; as long as that is `then`, all of
    this holds. is_ours: whether an ordinary record is printed by us; is_unread: whether a line
    about a request is read by nobody.
    """

    __slots__ = (
        "elsewhere",
        "has_other_own",
        "has_own",
        "is_bare",
        "is_ours",
        "is_unread",
        "now",
        "then",
    )

    def __init__(self, logger: logging.Logger) -> None:
        names: list[str] = []
        then: list[Any] = []
        self.is_ours = self.is_unread = False
        self.elsewhere: list[logging.Handler] = []
        self.has_own = self.has_other_own = False
        self.is_bare = True
        above: logging.Logger | None = logger
        while above is not None:
            up = "parent." * (len(then) // 2)
            names += (f"{up}handlers", f"{up}propagate")
            then += (list(above.handlers), above.propagate)
            for handler in then[-2]:
                self._add(handler)
            above = above.parent if above.propagate else None
        # One call: half the time of a loop over the loggers, for each record.
        self.now: attrgetter[tuple[Any, ...]] = attrgetter(*names)
        self.then = tuple(then)

    def _add(self, handler: logging.Handler) -> None:
        self.is_bare = False
        found = place(handler)
        if found is Place.ELSEWHERE:
            self.elsewhere.append(handler)
        elif found is not Place.SERVERS:
            self.has_own = True
            self.has_other_own |= found is Place.OTHER_OWN


def app_prints() -> bool:
    """Whether the app has output of its own on any logger, or by loguru or structlog."""
    return _has_own(logging.root) or _is_by_loguru() or _is_by_structlog() or _any_logger_has_own()


def _any_logger_has_own() -> bool:
    known = list(logging.root.manager.loggerDict.values())
    return any(
        logger.handlers and not ORIGINS[logger.name].is_command and _has_own(logger)
        for logger in known
        if isinstance(logger, logging.Logger)
    )


def _has_own(logger: logging.Logger) -> bool:
    return any(place(each) in (Place.OWN, Place.OTHER_OWN) for each in logger.handlers)


def _is_by_loguru() -> bool:
    try:
        logger = getattr(sys.modules.get("loguru"), "logger", None)  # it may be half imported
        return logger is not None and bool(logger._core.handlers)
    except Exception as error:  # another release
        _guard.fault("looking for loguru's output", error)
        return False


def _is_by_structlog() -> bool:
    try:
        is_configured = getattr(sys.modules.get("structlog"), "is_configured", None)
        if is_configured is not None and is_configured():
            factory = sys.modules["structlog"].get_config()["logger_factory"]
            return type(factory).__name__ in _PRINTING_FACTORIES
    except Exception as error:  # another release
        _guard.fault("looking for structlog's output", error)
    return False


def serves() -> bool:
    """Whether what is set up so far tells that this is a server."""
    known = logging.root.manager.loggerDict
    return any(
        isinstance(logger := known.get(each), logging.Logger) and bool(logger.handlers)
        for each in ("uvicorn", "gunicorn.error", "hypercorn.error")
    )
