"""Pages that show figures: what is between their markers is written by a command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.chart import svg
from benchmarks.phases import ITEM
from benchmarks.results import Results
from benchmarks.summary import rows
from benchmarks.table import markdown

DOCS = Path(__file__).parents[1] / "docs"
CHART = DOCS / "benchmarks.svg"
BEGIN = "<!-- figures: written by `python -m benchmarks {} --write-docs` -->"
END = "<!-- end of figures -->"


def drawing(results: Results) -> str:
    return svg(ITEM.title, rows(results, ITEM.name), list(results.absent))


def write(results: Results) -> None:
    """The page of `overhead`. Raises ValueError if it has lost its markers."""
    CHART.write_text(drawing(results), encoding="utf-8")
    picture = f"![Cost of a request, ratio to the bare app]({CHART.name})"
    fill("benchmarks.md", "overhead", results.machine, picture, markdown(results).rstrip())


def fill(name: str, command: str, machine: Mapping[str, str], *parts: str) -> None:
    """Put the machine and these parts where the command's figures are on a page of `docs`."""
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    page.write_text(filled(text, command, machine, *parts), encoding="utf-8")


def filled(text: str, command: str, machine: Mapping[str, str], *parts: str) -> str:
    """The page with these figures in place of those that it has."""
    begin = BEGIN.format(command)
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise ValueError(f"the page has no {begin} … {END}")
    figures = (begin, f"{'. '.join(machine.values())}.", *parts, end)
    return before + "\n\n".join(figures) + after
