"""Pure: what a database answers to EXPLAIN, as lines of text without the values of a statement.

PostgreSQL's in JSON, of which known keys alone are taken: numbers and names as they are, conditions
with `?` for each literal. MySQL's table and SQLite's lines name tables and indexes, and hold no
values; they are masked all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from otelier.sql_text import mask_sql
from otelier.sql_tokens import MYSQL, POSTGRES, SQLITE

LONGEST = 8192
_MOST_NODES, _DEEPEST = 200, 40

_NAME = re.compile(r"[\w $.@#/-]{1,128}")
_CONDITIONS = (
    *("Index Cond", "Recheck Cond", "TID Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter"),
    *("One-Time Filter", "Sort Key", "Presorted Key", "Group Key", "Cache Key", "Function Call"),
)
# Of MySQL's table; what `Extra` says is a choice of fixed words.
_COLUMNS = (
    *("id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows"),
    *("filtered", "Extra"),
)


def of_postgres(rows: Sequence[Sequence[Any]]) -> str:
    """The answer to `EXPLAIN (FORMAT JSON)`; some drivers have read the JSON already."""
    told = rows[0][0]
    told = json.loads(told) if isinstance(told, str | bytes) else told
    lines: list[str] = []
    nodes = _nodes(told[0]["Plan"], 0)
    for _, (depth, node) in zip(range(_MOST_NODES), nodes, strict=False):
        begin = "  " * depth
        lines.append(f"{begin}{'-> ' if depth else ''}{_title(node)}")
        lines += (f"{begin}     {line}" for line in _conditions(node))
    return _whole(lines)


def of_mysql(rows: Iterable[Sequence[Any]], names: Sequence[str]) -> str:
    """The answer to `EXPLAIN FORMAT=TRADITIONAL`. names: of its columns."""
    lines = []
    for row in rows:
        known = dict(zip(names, row, strict=False))
        found = ((name, known.get(name)) for name in _COLUMNS)
        lines.append(" ".join(f"{k}={_cell(v)}" for k, v in found if v is not None))
    return _whole(lines)


def of_sqlite(rows: Iterable[Sequence[Any]]) -> str:
    """The answer to `EXPLAIN QUERY PLAN`: id, parent, a number, what it does."""
    depths = {0: -1}
    lines = []
    for number, parent, _, detail in rows:
        depth = depths[number] = depths.get(parent, -1) + 1
        lines.append(f"{'  ' * depth}{mask_sql(str(detail), SQLITE) or '?'}")
    return _whole(lines)


def _nodes(node: Mapping[str, Any], depth: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield depth, node
    if depth < _DEEPEST:
        for inner in node.get("Plans") or ():
            yield from _nodes(inner, depth + 1)


def _title(node: Mapping[str, Any]) -> str:
    """`Index Scan using things_pkey on things  (cost=0.15..8.17 rows=1 width=36)`."""
    words = [_name(node.get("Node Type"))]
    if kind := node.get("Join Type"):
        words.append(_name(kind))
    for before, key in (
        ("using", "Index Name"),
        ("on", "Relation Name"),
        ("on", "CTE Name"),
        ("on", "Function Name"),
    ):
        if key in node:
            words += (before, _name(node[key]))
    cost = f"{_number(node, 'Startup Cost'):.2f}..{_number(node, 'Total Cost'):.2f}"
    size = f"rows={_number(node, 'Plan Rows'):.0f} width={_number(node, 'Plan Width'):.0f}"
    return f"{' '.join(words)}  (cost={cost} {size})"


def _conditions(node: Mapping[str, Any]) -> Iterator[str]:
    for key in _CONDITIONS:
        if key in node:
            told = node[key]
            parts = told if isinstance(told, list) else [told]
            yield f"{key}: {', '.join(mask_sql(str(part), POSTGRES) or '?' for part in parts)}"


def _number(node: Mapping[str, Any], key: str) -> float:
    found = node.get(key)
    return found if isinstance(found, int | float) else 0.0


def _name(found: object) -> str:
    return found if isinstance(found, str) and _NAME.fullmatch(found) else "?"


def _cell(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return str(value) if isinstance(value, int | float) else "?"
    return value if re.fullmatch(r"[\w.,;() $-]{0,300}", value) else mask_sql(value, MYSQL) or "?"


def _whole(lines: Iterable[str]) -> str:
    """As many lines as there is room for."""
    text = ""
    for line in lines:
        if len(text) + len(line) >= LONGEST:
            return f"{text}…"
        text += f"{line}\n"
    return text.rstrip("\n")
