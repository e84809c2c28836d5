"""The figures as a drawing: one bar a contender, its ratio to the bare app. Pure; plain SVG.

The line on each bar goes from the least to the most of the rounds. Colours are readable on white
and on black; text takes the page's own colour where the page gives one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.contenders import BARE, OTELIER
from benchmarks.summary import Row

WIDTH, LEFT, RIGHT, TOP, STEP, BAR = 720, 110, 170, 44, 30, 18
OURS, THEIRS, LINE, TEXT = "#0a7d54", "#8a97a6", "#5b6673", "#5b6673"


def svg(title: str, rows: Sequence[Row], absent: Sequence[str]) -> str:
    """Of one phase; the longest bar reaches to the right edge of the field.

    absent: contenders that could not be measured, which keep their line.
    """
    height = TOP + STEP * (len(rows) + len(absent)) + 14
    most = max((row.ratio.most for row in rows), default=1.0)
    parts = [*_head(title, height), *_one(most)]
    for number, row in enumerate(rows):
        parts += _bar(row, TOP + STEP * number, most)
    for number, name in enumerate(absent, len(rows)):
        y = TOP + STEP * number + 14
        parts += [_text(LEFT - 8, y, name, anchor="end"), _text(LEFT, y, "not measured")]
    return "\n".join([*parts, "</svg>", ""])


def _head(title: str, height: int) -> Iterator[str]:
    font = "font-family='system-ui, sans-serif' font-size='13'"
    yield (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' "
        f"role='img' aria-label='{escape(title, quote=True)}' {font}>"
    )
    yield _text(LEFT, 20, f"CPU time of a request, ratio to the bare app: {title}", weight="600")


def _one(most: float) -> Iterator[str]:
    """Where bare is."""
    x = _x(1.0, most)
    ends = f"x1='{x:.1f}' y1='{TOP - 8}' x2='{x:.1f}' y2='100%'"
    yield f"<line {ends} stroke='{LINE}' opacity='0.4'/>"


def _bar(row: Row, y: int, most: float) -> Iterator[str]:
    colour = OURS if row.contender == OTELIER else THEIRS
    end, middle = _x(row.ratio.median, most), y + BAR / 2
    yield _text(LEFT - 8, y + 14, row.contender, anchor="end")
    yield (
        f"<rect x='{LEFT}' y='{y}' width='{end - LEFT:.1f}' height='{BAR}' rx='2' fill='{colour}'/>"
    )
    if row.contender != BARE:
        least, greatest = _x(row.ratio.least, most), _x(row.ratio.most, most)
        yield (
            f"<line x1='{least:.1f}' y1='{middle}' x2='{greatest:.1f}' y2='{middle}' "
            f"stroke='{LINE}' stroke-width='1.5'/>"
        )
        end = max(end, greatest)
    yield _text(end + 8, y + 14, _words(row))


def _words(row: Row) -> str:
    """The ratio, and how much of what it should have sent had arrived."""
    if not row.expected.spans:
        return f"{row.ratio.median:.2f}"
    share = min(1.0, row.sent.spans / row.expected.spans)
    return f"{row.ratio.median:.2f}, {_percent(share)} of spans"


def _percent(share: float) -> str:
    """Never rounded up to all."""
    return f"{int(share * 1000) / 10:g} %"


def _x(ratio: float, most: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * ratio / most


def _text(x: float, y: int, words: str, *, anchor: str = "start", weight: str = "400") -> str:
    style = f"text-anchor='{anchor}' font-weight='{weight}' fill='{TEXT}'"
    return f"<text x='{x:.1f}' y='{y}' {style}>{escape(words)}</text>"
