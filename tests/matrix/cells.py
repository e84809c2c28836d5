"""Which releases are tried together, and what is installed for each of them.

A cell is one release of each of four things. All 108 cells would take an hour; the default run
takes enough of them that every two releases of two things meet once (`covering`), the short run
the oldest set, the newest set and one for each Python in between.

What is not named here comes in the version of `requirements/dev.txt`, and so does `newest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations, product
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEWEST = "newest"

PYTHONS: Sequence[str] = ("3.11", "3.12", "3.13")

# Starlette, the server and its websockets go with FastAPI's age; aiosqlite with SQLAlchemy's.
PINS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "fastapi": {
        "0.115": ("fastapi==0.115.14", "starlette==0.46.2", "uvicorn==0.30.6", "websockets==13.1"),
        "0.141": ("fastapi==0.141.1", "starlette==0.52.1", "uvicorn==0.40.0"),
        "0.142": ("fastapi==0.142.4", "starlette==1.3.1", "uvicorn==0.45.0"),
        NEWEST: ("fastapi", "starlette", "uvicorn"),
    },
    "sqlalchemy": {
        "1.4": ("sqlalchemy==1.4.54", "aiosqlite==0.20.0", "greenlet"),
        "2.0": ("sqlalchemy==2.0.58", "aiosqlite", "greenlet"),
        "2.1": ("sqlalchemy", "aiosqlite", "greenlet"),
    },
    "redis": {"5": ("redis==5.0.8",), "6": ("redis==6.4.0",), NEWEST: ("redis",)},
}
ALWAYS = ("websockets",)

# Pairs that cannot be installed or do not run together without us either, and why.
IMPOSSIBLE: Mapping[frozenset[str], str] = {}


@dataclass(frozen=True, order=True)
class Cell:
    """One release of each."""

    fastapi: str
    sqlalchemy: str
    redis: str
    python: str

    def __str__(self) -> str:
        return " ".join(self.labels)

    @property
    def labels(self) -> Sequence[str]:
        """`fastapi=0.115` …, in the order of the fields."""
        return [f"{field.name}={getattr(self, field.name)}" for field in fields(self)]

    @property
    def pairs(self) -> set[frozenset[str]]:
        return {frozenset(pair) for pair in combinations(self.labels, 2)}

    @property
    def reason_against(self) -> str | None:
        return next((IMPOSSIBLE[pair] for pair in self.pairs if pair in IMPOSSIBLE), None)

    def requirements(self, locked: Mapping[str, str]) -> list[str]:
        """`name==version` of what differs between cells; locked: versions of the rest."""
        wanted = [
            requirement
            for name, releases in PINS.items()
            for requirement in releases[getattr(self, name)]
        ]
        named = {requirement.partition("==")[0] for requirement in wanted}
        wanted += [name for name in ALWAYS if name not in named]
        return [w if "==" in w else f"{w}=={locked[w]}" for w in wanted]


def locked() -> dict[str, str]:
    """Versions of `requirements/dev.txt`, by name."""
    text = (ROOT / "requirements" / "dev.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def every(pythons: Sequence[str] = PYTHONS) -> list[Cell]:
    """All cells, the oldest first and the newest last."""
    return [Cell(*row) for row in product(*PINS.values(), pythons)]


def possible(pythons: Sequence[str] = PYTHONS) -> list[Cell]:
    return [cell for cell in every(pythons) if cell.reason_against is None]


def covering(pythons: Sequence[str] = PYTHONS) -> list[Cell]:
    """Few cells in which every pair that is possible occurs; always the same ones."""
    cells = possible(pythons)
    chosen = [cells[0], cells[-1]]
    left = set[frozenset[str]]().union(*(cell.pairs for cell in cells))
    left -= cells[0].pairs | cells[-1].pairs
    while left:
        best = max(cells, key=lambda cell: len(cell.pairs & left))
        chosen.append(best)
        left -= best.pairs
    return sorted(chosen)


def short(pythons: Sequence[str] = PYTHONS) -> list[Cell]:
    """The ends, and of the covering ones as many as it takes to have each FastAPI and Python."""
    cells = covering(pythons)
    chosen = [cells[0], cells[-1]]
    for cell in cells:
        if _is_new(cell.fastapi, "fastapi", chosen) or _is_new(cell.python, "python", chosen):
            chosen.append(cell)
    return sorted(set(chosen))


def _is_new(release: str, name: str, chosen: Iterable[Cell]) -> bool:
    return release not in {getattr(cell, name) for cell in chosen}
