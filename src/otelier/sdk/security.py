"""Events of the security stream, said by the app: who has signed in, who was refused.

Each is a log record with an event name and `otelier.stream`, by which a collector routes it. It
does not pass `logging`, so no level of the app's leaves it out; it is not sampled, and is among the
last to be dropped. Runs in the thread that calls; nothing is raised, and without a running Otelier
nothing is recorded.

Source: logs data model, `EventName`.
"""

from __future__ import annotations

import time
from typing import Any

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import get_current_span

from otelier import _guard, signals
from otelier.context import current_request
from otelier.export.record import LeanLog
from otelier.logformat.plain import said
from otelier.sdk.logs import telling
from otelier.version import __version__

STREAM = "security"

_SCOPE = InstrumentationScope("otelier.security", __version__)
_SEVERITIES = {"INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}


def security_event(
    name: str, *, user: object = None, severity: str = "WARN", **attributes: Any
) -> None:
    """Record an event such as `auth.failure`.

    user: whom it is about, if that is not the user of the request. severity: `INFO`, `WARN`,
    `ERROR` or `FATAL`; another one counts as `WARN`. attributes: what else is known of it; numbers
    and truth values stay what they are, all else becomes text. Never raises.
    """
    try:
        telling(get_logger_provider())(_record(name, user, severity, attributes))
    except Exception as error:
        _guard.fault("recording a security event", error)


def _record(name: str, user: object, severity: str, attributes: dict[str, Any]) -> LeanLog:
    severity = severity if severity in _SEVERITIES else "WARN"
    found = {key: _plain(value) for key, value in attributes.items() if value is not None}
    if user is not None:
        found[signals.USER_ID] = said(user)
    found[signals.STREAM] = STREAM
    context, now = get_current_span().get_span_context(), time.time_ns()
    return LeanLog(
        _SCOPE,
        now,
        now,
        _SEVERITIES[severity],
        severity,
        said(name),
        None,
        found,
        current_request.get(),
        context.trace_id,
        context.span_id,
        context.trace_flags,
        event_name=said(name),
        is_kept=True,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    return said(value)
