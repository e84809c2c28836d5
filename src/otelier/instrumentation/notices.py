"""Log records about a statement: which one, from which line of the app.

A WARNING (or the plan, INFO) in the trace, with the ids of the request, the masked text and a hash
of it that stays the same over processes and releases. Nothing of a statement's parameters or of a
driver's messages is in them. Runs where the statement ended; what goes wrong is whoever calls' to
catch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import query_signals, signals
from otelier.context import RequestContext
from otelier.export.record import LeanLog
from otelier.instrumentation.callers import Line
from otelier.instrumentation.engines import Kind
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.sdk.logs import telling
from otelier.version import __version__

MOST_A_MINUTE: Final = 10
"""Records of one statement: enough to see which requests and users it is about, and 15 KB."""

SLOW, REPEATED, PLAN = (
    "otelier.db.slow_query",
    "otelier.db.repeated_query",
    "otelier.db.query_plan",
)

_SCOPE = InstrumentationScope("otelier.database", __version__, SCHEMA_URL)
_INFO, _WARN = (9, "INFO"), (13, "WARN")

Ids = tuple[int, int, int]
"""Trace id, span id and flags."""


def tell(
    event: str,
    text: str,
    kind: Kind,
    line: Line | None,
    more: Mapping[str, Any],
    request: RequestContext | None,
    ids: Ids,
) -> None:
    """text: begins the record's; the statement's summary and its line follow."""
    now = time.time_ns()
    level = _INFO if event == PLAN else _WARN
    where = f" at {line.file}:{line.number}" if line is not None else ""
    log = LeanLog(
        _SCOPE,
        now,
        now,
        *level,
        f"{text}: {kind.name}{where}",
        kind.preset,
        {query_signals.QUERY_HASH: hash_of(kind), **of_line(line), **more},
        request,
        *ids,
        event_name=event,
    )
    telling(get_logger_provider())(log)


def shown(kind: Kind) -> str:
    """Its text; its name where it has no text that could be told."""
    return kind.of.text or kind.name


def hash_of(kind: Kind) -> str:
    return hashlib.sha256(shown(kind).encode("utf-8", "replace")).hexdigest()[:16]


def of_line(line: Line | None) -> dict[str, str | int]:
    if line is None:
        return {}
    return {
        signals.CODE_FILE: line.file,
        signals.CODE_FUNCTION: line.function,
        signals.CODE_LINE: line.number,
    }


def held_back(number: int) -> dict[str, int]:
    return {query_signals.HELD_BACK: number} if number else {}
