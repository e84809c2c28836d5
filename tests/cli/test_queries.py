"""Example queries of the reference page: of every metric, and in the grammar of their language.

The grammar of ES|QL is Elasticsearch's own, by `esql-parser`; that fields are there is shown in
`e2e/test_backends.py`, against Elasticsearch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from antlr4 import CommonTokenStream, InputStream
from antlr4.error.ErrorListener import ErrorListener
from esql_parser.EsqlBaseLexer import EsqlBaseLexer
from esql_parser.EsqlBaseParser import EsqlBaseParser

from otelier.cli.queries import datadog, esql
from otelier.signal import Signal
from otelier.signals import SIGNALS

METRICS = [row for row in SIGNALS if row.unit]
PAGE = Path(__file__).parents[2] / "docs" / "signals.md"

_DATADOG = re.compile(r"(p95|avg|sum):([A-Za-z][A-Za-z0-9_.]*)\{service:shop\}(\.as_rate\(\))?")


class Complaints(ErrorListener):  # type: ignore[misc]
    def __init__(self) -> None:
        self.found: list[str] = []

    def syntaxError(
        self, recognizer: Any, symbol: Any, line: int, column: int, message: str, error: Any
    ) -> None:
        self.found.append(message)


def complaints(query: str) -> list[str]:
    """What the grammar finds wrong in it."""
    listener = Complaints()
    lexer = EsqlBaseLexer(InputStream(query))
    parser = EsqlBaseParser(CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(listener)
    parser.singleStatement()
    return listener.found


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_queries_of_a_metric(row: Signal) -> None:
    """They can be parsed, ask for this metric, in a way that fits its kind."""
    assert complaints(esql(row)) == []
    found = _DATADOG.fullmatch(datadog(row))
    assert found
    wanted = {"histogram": ("p95", None), "counter": ("sum", ".as_rate()")}
    assert found[2] == row.name
    assert (found[1], found[3]) == wanted.get(row.kind, ("avg", None))
    words = {"histogram": "PERCENTILE", "counter": "SUM"}
    assert f"{words.get(row.kind, 'AVG')}(" in esql(row)


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_the_page_has_them(row: Signal) -> None:
    """Name, kind and unit in one row, both queries in another."""
    page = PAGE.read_text(encoding="utf-8")
    assert f"| `{row.name}` | {row.kind} | `{row.unit}` |" in page
    assert f"| `{row.name}` | `{datadog(row)}` | `{esql(row)}` |" in page.replace(r"\|", "|")


@pytest.mark.parametrize(
    "wrong",
    [
        "FROM metrics-* | WHERE service.name = 'shop'",
        "FROM metrics-* | STATS p95 = PERCENTILE(metrics.x, 95 BY minute",
        "metrics-* | STATS AVG(metrics.x)",
    ],
)
def test_a_wrong_query_is_found(wrong: str) -> None:
    """The grammar can refuse."""
    assert complaints(wrong) != []
