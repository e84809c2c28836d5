"""What fails a run: ratios within it, never times, which are the machine's. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.contenders import OTELIER, UPSTREAM
from benchmarks.phases import ITEM
from benchmarks.results import Results
from benchmarks.standing import has_arrived
from benchmarks.summary import Row, rows, share_of_overhead

MOST_RATIO = 1.40
"""Of a saturated GET /item with Otelier to the bare one."""

MOST_OF_UPSTREAM = 1 / 5
"""Of upstream's overhead, there."""


def failures(results: Results) -> list[str]:
    """Each promise that this run has not kept, in one line; those of phases that have run."""
    absent = [
        f"{name} was not measured: {results.absent[name]}"
        for name in (OTELIER, UPSTREAM)
        if name in results.absent
    ]
    was_asked = OTELIER in results.versions and OTELIER not in results.absent
    return [*absent, *_costs(results), *_losses(results)] if was_asked else absent


def _costs(results: Results) -> Iterator[str]:
    for row in rows(results, ITEM.name):
        if row.contender == OTELIER and row.ratio.median > MOST_RATIO:
            yield f"{ITEM.title}: ratio {row.ratio.median:.2f}, allowed {MOST_RATIO:.2f}"
    share = share_of_overhead(results, ITEM.name, OTELIER, UPSTREAM)
    if share is not None and share > MOST_OF_UPSTREAM:
        allowed = f"allowed {MOST_OF_UPSTREAM:.2f}"
        yield f"{ITEM.title}: {share:.2f} of {UPSTREAM}'s overhead, {allowed}"


def _losses(results: Results) -> Iterator[str]:
    for end in results.ends:
        if end.contender == OTELIER and not has_arrived(end.sent, end.expected):
            spans = f"{end.sent.spans:.0f} of {end.expected.spans:.0f} spans"
            logs = f"{end.sent.logs:.0f} of {end.expected.logs:.0f} log records"
            yield f"{spans}, {logs} arrived, with {end.routes} routes"
    for phase in dict.fromkeys(block.phase for block in results.blocks):
        yield from _wrong(phase, rows(results, phase))


def _wrong(phase: str, found: list[Row]) -> Iterator[str]:
    for row in found:
        if row.contender == OTELIER and row.wrong:
            yield f"{phase}: {row.wrong} answers were wrong"
