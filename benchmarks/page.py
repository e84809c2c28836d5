"""The page that shows the figures: what is between its markers is written by the command."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chart import svg
from benchmarks.phases import ITEM
from benchmarks.results import Results
from benchmarks.summary import rows
from benchmarks.table import markdown

DOCS = Path(__file__).parents[1] / "docs"
PAGE, CHART = DOCS / "benchmarks.md", DOCS / "benchmarks.svg"
BEGIN = "<!-- figures: written by `python -m benchmarks overhead --write-docs` -->"
END = "<!-- end of figures -->"


def drawing(results: Results) -> str:
    return svg(ITEM.title, rows(results, ITEM.name), list(results.absent))


def write(results: Results) -> None:
    """Raises ValueError if the page has lost its markers."""
    CHART.write_text(drawing(results), encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


def filled(page: str, results: Results) -> str:
    """The page with these figures instead of what is there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no {BEGIN} … {END}")
    machine = ". ".join(results.machine.values())
    picture = f"![Cost of a request, ratio to the bare app]({CHART.name})"
    parts = (begin, f"{machine}.", picture, markdown(results).rstrip(), end)
    return before + "\n\n".join(parts) + after
