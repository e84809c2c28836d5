"""The table of what is sent."""

from __future__ import annotations

from otelier import signals
from otelier.signals import SIGNALS

SOURCES = {getattr(signals, name) for name in vars(signals) if name.isupper()} - {""}


def test_names_are_unique() -> None:
    """One row a name."""
    names = [row.name for row in SIGNALS]
    assert sorted(set(names)) == sorted(names)


def test_every_row_is_whole() -> None:
    """A meaning, a place, a known kind; a metric has a unit and an attribute none."""
    kinds = dict.fromkeys(("attribute", "resource"), False)
    kinds |= dict.fromkeys(("counter", "gauge", "histogram", "up-down counter"), True)
    for row in SIGNALS:
        assert row.meaning, row
        assert row.on, row
        assert bool(row.unit) is kinds[row.kind], row


def test_sources() -> None:
    """A row without a source is one of ours, and says so in its name."""
    ours = {row.name for row in SIGNALS if not row.source}
    assert {name for name in ours if not name.startswith("otelier.")} == {signals.REQUEST_ID}
    assert {row.source for row in SIGNALS} - {""} <= SOURCES


def test_every_constant_has_a_row() -> None:
    """A name that the code can use is one that the page lists."""
    dotted = {
        value
        for name, value in vars(signals).items()
        if name.isupper() and isinstance(value, str) and "." in value and " " not in value
    }
    assert dotted - {row.name for row in SIGNALS} == set()
