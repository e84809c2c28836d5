"""Is the whole story of a request there? The demo fails aloud where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from otelier import signals
from otelier.cli.receiver import CLIENT, SERVER, Log, Span


def missing(request_id: str | None, spans: Sequence[Span], logs: Sequence[Log]) -> list[str]:
    """What the story of `request_id` lacks; empty when it is complete."""
    if request_id is None:
        return ["the answer has no X-Request-ID header"]
    mine = [span for span in spans if span.attributes.get(signals.REQUEST_ID) == request_id]
    servers = [span for span in mine if span.kind == SERVER]
    if len(servers) != 1:
        return [f"{len(servers)} SERVER spans instead of one"]
    (server,) = servers
    children = [s for s in mine if s.kind == CLIENT and s.parent_id == server.span_id]
    systems = {span.attributes.get(signals.DB_SYSTEM) for span in children}
    wanted = {"postgresql": "an SQL span", "redis": "a Redis span"}
    gaps = [what for system, what in wanted.items() if system not in systems]
    if not any(_belongs(log, server, request_id) for log in logs):
        gaps.append("a log record of the app")
    return gaps


def _belongs(log: Log, server: Span, request_id: str) -> bool:
    return (
        log.trace_id == server.trace_id
        and log.attributes.get(signals.REQUEST_ID) == request_id
        and log.scope.startswith("crm.")
    )
