"""A stop loses nothing, in every way in which people serve, and ends in time whatever happens.

Real parts: uvicorn, gunicorn, their workers, supervisors and reloader, the launcher. A choice of
the cells of `python -m tests.e2e.stopping`; `OTELIER_TEST_STOPS=all` runs every one.
"""

from __future__ import annotations

import os

import pytest

from tests.e2e.stopping import DEADLINE, Cell, Outcome, every_cell, run_all

# gunicorn's SIGINT is left out: it kills uvicorn's workers 30 s later, with us and without.
CHOSEN = (
    Cell("uvicorn", "TERM", "well"),
    Cell("uvicorn", "INT", "black hole"),
    Cell("uvicorn --workers 2", "INT", "well"),
    Cell("uvicorn --reload", "TERM", "down"),
    Cell("gunicorn", "TERM", "hanging"),
    Cell("gunicorn --preload", "TERM", "well"),
)
SPARE = 3.0  # seconds: other servers stop at the same time, on a machine that may be busy


@pytest.fixture(scope="module")
def outcomes() -> dict[Cell, Outcome]:
    everything = os.environ.get("OTELIER_TEST_STOPS") == "all"
    cells = every_cell() if everything else [*CHOSEN, *map(bare, CHOSEN)]
    return run_all(list(dict.fromkeys(cells)), together=3 if everything else 6)


def bare(cell: Cell) -> Cell:
    return Cell(cell.mode, cell.signal, None)


@pytest.mark.timeout(1800)
def test_nothing_is_lost(outcomes: dict[Cell, Outcome]) -> None:
    """Each of 200 requests once, by its id, and counted by its process; supervisors are silent."""
    well = {cell: one for cell, one in outcomes.items() if cell.collector == "well"}
    assert {str(cell): one.faults() for cell, one in well.items()} == {str(c): [] for c in well}


@pytest.mark.timeout(1800)
def test_it_ends_in_time(outcomes: dict[Cell, Outcome]) -> None:
    """Five seconds more than without us at most, and with the same exit code."""
    for cell, one in outcomes.items():
        own = outcomes[bare(cell)]
        assert one.code == own.code, cell
        assert one.seconds <= own.seconds + DEADLINE + SPARE, cell
