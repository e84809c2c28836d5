"""Rates and percentiles per route, from SERVER spans. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from otelier.cli.receiver import ERROR, SERVER, Span
from otelier.cli.terminal import Terminal, clean, duration

_COLUMNS = (("requests", 9), ("req/s", 8), ("p50", 10), ("p95", 10), ("p99", 10), ("errors", 8))


def render(spans: Sequence[Span], terminal: Terminal) -> list[str]:
    """A line for each route, the busiest first; rates are over the time between first and last."""
    servers = [span for span in spans if span.kind == SERVER]
    if not servers:
        return ["no requests yet"]
    seconds = _seconds(servers)
    by_route: dict[str, list[Span]] = defaultdict(list)
    for span in servers:
        by_route[span.name].append(span)
    room = terminal.width - sum(width for _, width in _COLUMNS)
    title = f"{'route':<{room}}" + "".join(f"{name:>{width}}" for name, width in _COLUMNS)
    busiest = sorted(by_route.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    rows = [_row(route, found, seconds, room) for route, found in busiest]
    return [terminal.paint(title, "bold"), *rows]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(0, rank - 1)]


def _seconds(servers: Sequence[Span]) -> float:
    began, ended = min(s.start for s in servers), max(s.end for s in servers)
    return max(1e-3, (ended - began) / 1e9)


def _row(route: str, found: Sequence[Span], seconds: float, room: int) -> str:
    took = [span.end - span.start for span in found]
    errors = sum(span.status == ERROR for span in found)
    cells = [
        str(len(found)),
        f"{len(found) / seconds:.1f}",
        *(duration(percentile(took, share)) for share in (0.5, 0.95, 0.99)),
        str(errors),
    ]
    widths = [width for _, width in _COLUMNS]
    numbers = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{_fit(route, room - 1):<{room}}{numbers}"


def _fit(route: str, room: int) -> str:
    """The end of a route tells more than its beginning: `POST …/{workflow_id}/test`."""
    shown = clean(route, len(route) * 8)
    if len(shown) <= room:
        return shown
    method, _, path = shown.partition(" ")
    return f"{method} …{path[len(method) + 2 - room :]}"[:room]
