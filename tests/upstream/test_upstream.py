"""The tables of contrib's tests that do not pass, and how results are read. The run: `__main__`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.upstream import environment, table
from tests.upstream.__main__ import PAGE, SUITES
from tests.upstream.names import translated
from tests.upstream.results import Ran, Result, either


@pytest.mark.parametrize("mode", table.TABLES)
def test_the_tables(mode: str) -> None:
    """Each test is in one group, and each group has a reason, which the page has too."""
    groups = table.read(mode)
    assert set(groups) <= set(SUITES)
    for suite in groups:
        tests = Counter(test for group in groups[suite] for test in group.tests)
        assert [test for test, count in tests.items() if count > 1] == []
        for group in groups[suite]:
            assert group.tests
            assert group.reason.endswith(".")
            assert group.reason in PAGE.read_text()


def test_what_is_wrong() -> None:
    """A test that fails and is not listed, one that is listed and passes, and one that is gone."""
    results = [Result("failed", "ours", "a", "1 != 2"), Result("passed", "ours", "b")]
    groups = [table.Group("Because.", ("b", "c"))]
    assert list(Ran("suite", results, groups).wrong()) == [
        "a fails, and is not in the table: 1 != 2",
        "b passes, and is in the table",
        "c is not there, and is in the table",
    ]
    assert list(Ran("suite", results[:1], [table.Group("Because.", ("a",))]).wrong()) == []


def test_two_readings() -> None:
    """One pass of the two is a pass."""
    fails, passes = Result("failed", "ours", "a"), Result("passed", "ours", "a")
    assert either([fails], [passes]) == either([passes], [fails]) == [passes]
    assert either([fails], [fails]) == [fails]


def test_names_are_translated_whole() -> None:
    """A literal that is a name, and no part of another."""
    assert translated('x["http.method"]') == 'x["http.request.method"]'
    assert translated('"see http.method", "http.methods"') == '"see http.method", "http.methods"'


@pytest.mark.parametrize("suite", SUITES)
def test_the_suites_are_locked(suite: str) -> None:
    """Each is taken from its source distribution by a version and hashes."""
    text = environment.locked(f"opentelemetry-instrumentation-{suite}")
    assert text.startswith(f"opentelemetry-instrumentation-{suite}==0.66b1 ")
    assert "--hash=sha256:" in text
