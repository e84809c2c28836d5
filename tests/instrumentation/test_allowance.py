"""How often the same thing is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from otelier.instrumentation import allowance
from otelier.instrumentation.allowance import Allowance


def test_a_minute() -> None:
    """Each thing has its own; what was held back is told once."""
    now = [0.0]
    some = Allowance(2, 60.0, lambda: now[0])
    assert [some.take("a") for _ in range(5)] == [0, 0, None, None, None]
    assert [some.take("b") for _ in range(3)] == [0, 0, None]
    now[0] = 59.9
    assert some.take("a") is None
    now[0] = 60.0
    assert [some.take("a") for _ in range(3)] == [4, 0, None]
    now[0] = 1000.0
    assert [some.take(thing) for thing in "aab"] == [1, 0, 1]


def test_memory_is_bounded() -> None:
    """What was told first is forgotten."""
    some = Allowance(1)
    for number in range(3 * allowance._MOST_KEYS):
        assert some.take(number) == 0
    assert len(some._minutes) == allowance._MOST_KEYS
    assert some.take(0) == 0
    assert some.take(3 * allowance._MOST_KEYS - 1) is None


def test_threads() -> None:
    """None is told too often, and none is lost."""
    some = Allowance(10)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: some.take("a"), range(5000)))
    assert sum(each is not None for each in told) == 10
    assert some._minutes["a"].held_back == 4990
