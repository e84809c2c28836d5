"""Medians of what a run has found. Pure.

Overhead and ratio are taken within each round, against bare's block of the same round, and the
median of those is shown: so a ratio is not the quotient of two shown medians.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.contenders import BARE, NAMES
from benchmarks.counting import Counts
from benchmarks.results import Block, End, Results


@dataclass(frozen=True)
class Spread:
    """A median and what it lies between."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Row:
    """One contender in one phase. micros: CPU time of a request; latencies in milliseconds.

    sent: what had arrived in time, of `expected`.
    """

    contender: str
    micros: Spread
    overhead: Spread
    ratio: Spread
    per_second: float
    p50: float
    p99: float
    sent: Counts
    expected: Counts
    wrong: int


def rows(results: Results, phase: str) -> list[Row]:
    """In the order of the table of contenders; none where the phase has not run."""
    of_phase = [block for block in results.blocks if block.phase == phase]
    bare = {block.round: block.micros for block in of_phase if block.contender == BARE}
    found = []
    for name in NAMES:
        blocks = [b for b in of_phase if b.contender == name and b.round in bare]
        if blocks:
            found.append(_row(name, blocks, bare))
    return found


def _row(name: str, blocks: Sequence[Block], bare: dict[int, float]) -> Row:
    return Row(
        contender=name,
        micros=spread(b.micros for b in blocks),
        overhead=spread(b.micros - bare[b.round] for b in blocks),
        ratio=spread(b.micros / bare[b.round] for b in blocks),
        per_second=median(b.per_second for b in blocks),
        p50=median(b.p50 for b in blocks),
        p99=median(b.p99 for b in blocks),
        sent=_sum(b.sent for b in blocks),
        expected=_sum(b.expected for b in blocks),
        wrong=sum(b.wrong for b in blocks),
    )


def share_of_overhead(results: Results, phase: str, one: str, other: str) -> float | None:
    """Median over the rounds of one contender's overhead as a part of another one's."""
    of_phase = [block for block in results.blocks if block.phase == phase]
    micros = {(b.contender, b.round): b.micros for b in of_phase}
    shares = [
        (micros[one, number] - bare) / (micros[other, number] - bare)
        for (name, number), bare in micros.items()
        if name == BARE and (one, number) in micros and (other, number) in micros
    ]
    return median(shares) if shares else None


def ends(results: Results, routes: int) -> dict[str, End]:
    """By contender."""
    found: dict[str, End] = {}
    for end in results.ends:
        if end.routes == routes:
            found[end.contender] = _together(found.get(end.contender), end)
    return found


def _together(before: End | None, end: End) -> End:
    """Servers of one contender: what all of them have sent, and what the largest takes."""
    if before is None:
        return end
    return replace(
        end,
        sent=before.sent + end.sent,
        expected=before.expected + end.expected,
        resident_mib=max(before.resident_mib, end.resident_mib),
        idle=max(before.idle, end.idle),
    )


def start_seconds(results: Results) -> dict[str, Spread]:
    return {name: spread(seconds) for name, seconds in results.starts.items()}


def spread(values: Iterable[float]) -> Spread:
    found = list(values)
    return Spread(median(found), min(found), max(found))


def _sum(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())
