"""What a child process gets of the request in progress, as variables of its environment.

`environ` gives them to an app that starts the child; `adopt` takes them up where the child itself
runs under Otelier: its spans continue the trace and its log records carry the request's id. They
hold no user: an environment is seen by more than the process that it is for.

Source: OpenTelemetry specification, environment variables as carriers of context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from otelier._upstream import attach, context_with, current_context, current_span
from otelier.context import RequestContext, current_request, valid_request_id
from otelier.pattern import pattern

REQUEST_ID: Final = "OTELIER_REQUEST_ID"
TRACEPARENT: Final = "TRACEPARENT"
TRACESTATE: Final = "TRACESTATE"

_TRACEPARENT = pattern(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


def environ() -> dict[str, str]:
    """Variables for a child process: `subprocess.run(…, env={**os.environ, **environ()})`.

    `TRACEPARENT`, `TRACESTATE` where there is one, and `OTELIER_REQUEST_ID`; each only where it is
    known, so that outside of a request the mapping is empty.
    """
    found: dict[str, str] = {}
    span = current_span().get_span_context()
    if span.is_valid:
        flags = span.trace_flags & 0xFF
        found[TRACEPARENT] = f"00-{span.trace_id:032x}-{span.span_id:016x}-{flags:02x}"
        if span.trace_state:
            found[TRACESTATE] = span.trace_state.to_header()
    request = current_request.get()
    if request is not None:
        found[REQUEST_ID] = request.request_id
    return found


def adopt(variables: Mapping[str, str]) -> None:
    """Go on with the request of the parent process, in this context and what is started from it.

    Only where the parent has handed over its request: a `TRACEPARENT` alone, which build servers
    set, is not meant for a web server's requests. These leave what is adopted here in any case.
    """
    request_id = valid_request_id(variables.get(REQUEST_ID, "").encode("utf-8", "replace"))
    if request_id is None:
        return
    current_request.set(RequestContext(request_id))
    named = _TRACEPARENT.fullmatch(variables.get(TRACEPARENT, ""))
    if named is not None:
        state = TraceState.from_header([variables.get(TRACESTATE, "")])
        flags = TraceFlags(int(named[3], 16))
        span = SpanContext(int(named[1], 16), int(named[2], 16), True, flags, state)
        attach(context_with(NonRecordingSpan(span), current_context()))
