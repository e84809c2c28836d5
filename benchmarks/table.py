"""The figures as Markdown tables, for the terminal and for the page alike. Pure.

A contender without figures keeps its row, with the reason in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.contenders import BARE, NAMES
from benchmarks.phases import FEW_ROUTES, MANY, PHASES, PING
from benchmarks.results import Results
from benchmarks.summary import Row, Spread, ends, rows, start_seconds

COSTS = ("contender", "CPU µs a request", "overhead µs", "ratio to bare", "requests/s")
TIMES = ("p50 ms", "p99 ms", "spans", "log records")
SERVERS = ("contender", "version", "to first answer s", "MiB over bare", "idle ms/s")
ALL = ("spans in all", "log records in all", "metric points")
ROUTES = ("contender", f"overhead µs, {FEW_ROUTES}", f"overhead µs, {MANY.routes:,}")


def markdown(results: Results) -> str:
    """Every phase that has run, then the servers."""
    parts = list(_phases(results))
    if results.ends:
        parts += ["### Servers", grid((*SERVERS, *ALL), list(_servers(results)))]
    if routes := list(_routes(results)):
        parts += ["### GET /ping, saturated, by the number of routes", grid(ROUTES, routes)]
    return "\n\n".join(parts) + "\n"


def _phases(results: Results) -> Iterator[str]:
    for phase in PHASES:
        if found := rows(results, phase.name):
            yield f"### {phase.title}"
            absent = [[name, reason] for name, reason in results.absent.items()]
            yield grid((*COSTS, *TIMES), [*map(_cells, found), *absent])


def _cells(row: Row) -> list[str]:
    wrong = f", {row.wrong} wrong answers" if row.wrong else ""
    is_bare = row.contender == BARE
    return [
        row.contender + wrong,
        shown(row.micros, ".0f"),
        "" if is_bare else shown(row.overhead, ".0f"),
        f"{1:.2f}" if is_bare else shown(row.ratio, ".2f"),
        f"{row.per_second:,.0f}",
        f"{row.p50:.1f}",
        f"{row.p99:.1f}",
        _of(row.sent.spans, row.expected.spans),
        _of(row.sent.logs, row.expected.logs),
    ]


def _servers(results: Results) -> Iterator[list[str]]:
    ended = ends(results, FEW_ROUTES)
    seconds = start_seconds(results)
    bare = ended[BARE].resident_mib if BARE in ended else 0.0
    for name in (name for name in NAMES if name in ended):
        end = ended[name]
        start = shown(seconds[name], ".2f") if name in seconds else ""
        yield [
            name,
            results.versions.get(name, ""),
            start,
            f"{end.resident_mib:.0f} in all" if name == BARE else f"{end.resident_mib - bare:.1f}",
            f"{end.idle:.1f}",
            _of(end.sent.spans, end.expected.spans),
            _of(end.sent.logs, end.expected.logs),
            f"{end.sent.points:,.0f}" if end.sent.points else "",
        ]
    yield from ([name, reason] for name, reason in results.absent.items())


def _routes(results: Results) -> Iterator[list[str]]:
    few = {row.contender: row for row in rows(results, PING.name)}
    for row in rows(results, MANY.name):
        if row.contender != BARE and row.contender in few:
            overheads = (few[row.contender].overhead, row.overhead)
            yield [row.contender, *(shown(each, ".0f") for each in overheads)]


def shown(spread: Spread, form: str) -> str:
    return f"{spread.median:{form}} ({spread.least:{form}} – {spread.most:{form}})"


def _of(sent: float, expected: float) -> str:
    """The share, where it is one; blank for what a contender does not send."""
    if not expected:
        return ""
    return f"{sent:,.0f} of {expected:,.0f}"


def grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table. Padded, so that it can be read as it is; short rows are filled up."""
    lines = [list(head), *([*row, *[""] * (len(head) - len(row))] for row in body)]
    widths = [max(map(len, column)) for column in zip(*map(_without_reason, lines), strict=True)]
    rows = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([rows[0], rule, *rows[1:]])


def _without_reason(line: list[str]) -> list[str]:
    """A reason may be long and stands alone in its row: no column is widened for it."""
    is_reason = len(line) > 2 and not any(line[2:])
    return [line[0], *[""] * (len(line) - 1)] if is_reason else line
