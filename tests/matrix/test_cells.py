"""The matrix itself: which cells are chosen, and what its comparison sees.

The cells are run by `make test-matrix`, not here.
"""

from __future__ import annotations

from typing import Any

import pytest

from otelier.cli.receiver import Point, Received, Receiver
from tests.matrix import cells, golden
from tests.matrix.__main__ import Outcome, exit_code
from tests.matrix.cells import Cell


def test_every_two_releases_meet() -> None:
    """Each pair of releases of two things occurs, in a small part of all cells."""
    everything = set[frozenset[str]]().union(*(cell.pairs for cell in cells.every()))
    chosen = cells.covering()
    assert set[frozenset[str]]().union(*(cell.pairs for cell in chosen)) == everything
    assert len(cells.every()) == 108
    assert len(chosen) <= 14


def test_what_cannot_be_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair with a reason against it is in no cell, and every other pair still is."""
    pair = frozenset(("sqlalchemy=1.4", "python=3.13"))
    monkeypatch.setattr(cells, "IMPOSSIBLE", {pair: "on purpose"})
    chosen = cells.covering()
    found = set[frozenset[str]]().union(*(cell.pairs for cell in chosen))
    everything = set[frozenset[str]]().union(*(cell.pairs for cell in cells.every()))
    assert everything - found == {pair}
    assert {cell.reason_against for cell in cells.every()} == {None, "on purpose"}


def test_the_short_run() -> None:
    """The oldest set, the newest set, each Python and each FastAPI, in four to six cells."""
    chosen, everything = cells.short(), cells.every()
    assert {everything[0], everything[-1]} <= set(chosen)
    assert {cell.python for cell in chosen} == set(cells.PYTHONS)
    assert {cell.fastapi for cell in chosen} == set(cells.PINS["fastapi"])
    assert 4 <= len(chosen) <= 6


def test_a_python_that_is_not_here_yet() -> None:
    """Any version can be asked for."""
    assert {cell.python for cell in cells.covering(["3.14"])} == {"3.14"}


def test_pins_are_whole() -> None:
    """Every requirement of every cell has a version, and nothing is named twice."""
    for cell in cells.every():
        wanted = cell.requirements(cells.locked())
        names = [requirement.partition("==")[0] for requirement in wanted]
        assert all("==" in requirement for requirement in wanted)
        assert len(names) == len(set(names))


def test_the_newest_is_the_lock() -> None:
    """What is locked for the tests is what `newest` means, and 2.1 is SQLAlchemy's newest."""
    locked = cells.locked()
    wanted = cells.every()[-1].requirements(locked)
    assert {f"{n}=={locked[n]}" for n in ("fastapi", "redis", "sqlalchemy")} <= set(wanted)
    assert locked["sqlalchemy"].startswith("2.1.")


class Arrived(Receiver):
    """A receiver that has got what a test gives it."""

    def __init__(self, *points: Point) -> None:
        self._given = Received(points=list(points))

    spans = property(lambda self: self._given.spans)
    logs = property(lambda self: self._given.logs)
    points = property(lambda self: self._given.points)


def point(count: int, kind: str = "histogram", **attributes: Any) -> Point:
    return Point("m", "s", kind, True, count, 1.0, attributes, {})


def test_counts_are_compared() -> None:
    """Points of one series are added up; a request that is counted twice is a difference."""
    one, halves = (
        golden.of(Arrived(point(2, a=1))),
        golden.of(Arrived(point(1, a=1), point(1, a=1))),
    )
    assert golden.differences(one, halves) == []
    minus, plus = golden.differences(one, golden.of(Arrived(point(3, a=1))))
    assert minus.startswith("- metric")
    assert plus.startswith("+ metric")
    gauge, often = golden.of(Arrived(point(1, "gauge"))), golden.of(Arrived(point(9, "gauge")))
    assert golden.differences(gauge, often) == []


def test_the_same_line_twice() -> None:
    """Something that is sent twice is a difference."""
    assert golden.differences(["span a"], ["span a", "span a"]) == ["+ span a"]
    assert golden.differences(["span a", "span a"], ["span a"]) == ["- span a"]


def test_the_committed_one_is_of_this_format() -> None:
    """It has spans, records and metrics, and none of what differs from run to run."""
    lines = golden.read()
    assert {line.split()[0] for line in lines} == {"span", "log", "metric"}
    assert not [line for line in lines if "/tmp/" in line or "0x" in line]


@pytest.mark.parametrize(
    ("differences", "missing", "in_ci", "code"),
    [
        ([], "", False, 0),
        (["- span a"], "", False, 1),
        ([], "no Python", False, 0),
        ([], "no Python", True, 1),
    ],
)
def testexit_code(
    monkeypatch: pytest.MonkeyPatch, differences: list[str], missing: str, in_ci: bool, code: int
) -> None:
    """A difference always fails; what could not be tried only fails where all must be there."""
    monkeypatch.delenv("CI", raising=False)
    if in_ci:
        monkeypatch.setenv("CI", "true")
    cell: Cell = cells.every()[0]
    assert exit_code([Outcome(cell, differences, missing)]) == code
