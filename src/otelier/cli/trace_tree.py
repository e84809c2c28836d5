"""One request as a tree: its spans and log records in the order of time. Pure.

Each line has the time since the request began, what happened, and for a span how long it took
with a bar that shows when. Failure is a word or a sign, never a colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from otelier import signals
from otelier.cli.receiver import ERROR, SERVER, Log, Span
from otelier.cli.terminal import Terminal, clean, duration

_BAR = 16
_DURATION = 9
_KIND = "redis "
_LOUD = {"WARN": "yellow", "ERROR": "red", "CRITICAL": "red", "FATAL": "red"}


@dataclass(frozen=True)
class _Line:
    """A span or a log record at its depth in the tree."""

    time: int
    depth: int
    item: Span | Log


def server_span(spans: Sequence[Span]) -> Span | None:
    """The span of the request itself, if it has arrived."""
    servers = [span for span in spans if span.kind == SERVER]
    return min(servers, key=lambda span: span.start, default=None)


def render(spans: Sequence[Span], logs: Sequence[Log], terminal: Terminal) -> list[str]:
    """Lines for the request that `spans` and `logs` of one trace make up."""
    root = server_span(spans)
    if root is None:
        return []
    inside = sorted(_inside(root, spans, logs), key=lambda line: (line.time, line.depth))
    return [
        *_head(root, terminal),
        *(_row(line, root, terminal) for line in inside),
        *_exceptions(root, terminal),
    ]


def _head(root: Span, terminal: Terminal) -> list[str]:
    status = root.attributes.get(signals.STATUS_CODE, "no answer")
    failed = root.status == ERROR
    outcome = f"{status} ERROR" if failed else f"{status}"
    took = duration(root.end - root.start)
    name = clean(root.name, terminal.width - len(outcome) - len(took) - 6)
    first = "  ".join(
        (
            terminal.paint(name, "bold"),
            terminal.paint(outcome, "red" if failed else "green"),
            terminal.paint(took, "bold"),
        )
    )
    request_id = clean(root.attributes.get(signals.REQUEST_ID, "none"), 64)
    user = root.attributes.get(signals.USER_ID)
    ids = [f"request {request_id}", f"trace {root.trace_id}"]
    if user is not None:
        ids.append(f"user {clean(user, 24)}")
    return [first, *(terminal.paint(f"  {text}", "dim") for text in _fit(ids, terminal.width - 2))]


def _fit(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + 3 + len(part) > width:
            yield line
            line = ""
        line = f"{line}   {part}" if line else part
    yield line


def _inside(root: Span, spans: Sequence[Span], logs: Sequence[Log]) -> Iterator[_Line]:
    depths = {root.span_id: 0}
    for span in sorted(spans, key=lambda span: span.start):
        if span is not root:
            depths[span.span_id] = depths.get(span.parent_id, 0) + 1
            yield _Line(span.start, depths[span.span_id], span)
    for log in logs:
        if log.scope != "otelier.access":  # the first line says it already
            yield _Line(log.time, depths.get(log.span_id, 0) + 1, log)


def _row(line: _Line, root: Span, terminal: Terminal) -> str:
    offset = f"{duration(max(0, line.time - root.start)):>9}"
    indent = "  " * (line.depth - 1)
    room = terminal.width - len(offset) - len(indent) - 3  # the last column stays free
    if isinstance(line.item, Log):
        told = _log(line.item, room, terminal)
    else:
        told = _span(line.item, root, room - len(_KIND) - _DURATION - _BAR - 2, terminal)
    return f"{terminal.paint(offset, 'dim')}  {indent}{told}"


def _log(log: Log, room: int, terminal: Terminal) -> str:
    source = clean(log.scope, 24)
    text = clean(log.body, room - 8 - len(source))
    level = terminal.paint(f"{clean(log.severity, 6):<6}", *_style(log.severity))
    return f"{level}{terminal.paint(source, 'dim')}  {text}"


def _style(severity: str) -> tuple[str, ...]:
    return (_LOUD[severity],) if severity in _LOUD else ()


def _span(span: Span, root: Span, room: int, terminal: Terminal) -> str:
    system = span.attributes.get(signals.DB_SYSTEM)
    kind = "redis" if system == "redis" else "sql" if system else "span"
    failed = span.status == ERROR
    name = clean(f"{span.name} ERROR" if failed else span.name, room)
    label = terminal.paint(f"{kind:<6}", "cyan") + terminal.paint(
        f"{name:<{room}}", *(("red",) if failed else ())
    )
    return f"{label}{duration(span.end - span.start):>{_DURATION}}  {_bar(span, root, terminal)}"


def _bar(span: Span, root: Span, terminal: Terminal) -> str:
    whole = max(1, root.end - root.start)
    begin = min(_BAR - 1, max(0, round((span.start - root.start) / whole * _BAR)))
    length = max(1, round((span.end - span.start) / whole * _BAR))
    block = "█" if terminal.unicode else "#"
    return " " * begin + terminal.paint(block * min(length, _BAR - begin), "cyan")


def _exceptions(root: Span, terminal: Terminal) -> Iterator[str]:
    for name, attributes in root.events:
        if name == "exception":
            kind = attributes.get(signals.EXCEPTION_TYPE, "")
            text = clean(
                f"{kind}: {attributes.get(signals.EXCEPTION_MESSAGE, '')}", terminal.width - 19
            )
            offset = f"{duration(root.end - root.start):>9}"
            yield f"{terminal.paint(offset, 'dim')}  {terminal.paint('raised', 'red')} {text}"
