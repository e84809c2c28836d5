"""`@fixed` beside `@dataclass(frozen=True)`: the same objects, made in another way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from otelier.fixed import fixed, replace


class _Point:
    x: int
    y: int = 1
    tags: Sequence[str] = ()

    @property
    def sum(self) -> int:
        return self.x + self.y

    @cached_property
    def kept(self) -> list[int]:
        return [self.x]


_OF_ANY_CLASS = ("__dict__", "__weakref__", "__qualname__")


def _class(make: Callable[[type], Any]) -> Any:
    own = {name: vars(_Point)[name] for name in vars(_Point) if name not in _OF_ANY_CLASS}
    point = type("Point", (), own)
    _Point.kept.__set_name__(point, "kept")
    return make(point)


OURS, THEIRS = _class(fixed), _class(dataclass(frozen=True))
both = pytest.mark.parametrize("point", [OURS, THEIRS], ids=["fixed", "dataclass"])


@both
def test_what_it_holds(point: Any) -> None:
    """Values by place and by name, defaults, a list of its own for each, nothing else."""
    one, other = point(3), point(3, 4, tags=["a"])
    assert (one.x, one.y, one.tags, one.sum) == (3, 1, (), 4)
    assert (other.y, other.tags, other.sum) == (4, ["a"], 7)
    assert sorted(vars(one)) == ["tags", "x", "y"]
    assert one.kept is one.kept


@both
@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, (), 5), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1})],
)
def test_what_it_cannot_be_made_of(point: Any, values: Any, named: Any) -> None:
    """Too little, too much, twice, and what no field is called."""
    with pytest.raises(TypeError, match="Point"):
        point(*values, **named)


@both
def test_it_stays_as_it_is(point: Any) -> None:
    """Nothing is set or taken away; another one is made instead."""
    one = point(3)
    for change in (lambda: setattr(one, "x", 4), lambda: delattr(one, "x")):
        with pytest.raises(AttributeError):
            change()
    assert one.x == 3


@both
def test_alike(point: Any) -> None:
    """Of one class and with equal fields; usable as a key where all of them are."""
    assert point(1, 2) == point(1, y=2)
    assert point(1) != point(2)
    assert point(1) != (1, 1, ())
    assert hash(point(1, 2)) == hash(point(1, 2, ()))
    with pytest.raises(TypeError, match="unhashable"):
        hash(point(1, 2, []))
    match point(5, 6):
        case point(x, y):
            assert (x, y) == (5, 6)


@both
def test_a_copy(point: Any) -> None:
    """Is equal, whatever a cached property has left on the first."""
    one = point(3)
    assert one.kept == [3]
    assert copy(one) == one == point(3)


def test_the_same_text() -> None:
    """As a dataclass shows itself, without what is not to be shown."""
    assert repr(OURS(3)) == repr(THEIRS(3)) == "Point(x=3, y=1, tags=())"


def test_another_one() -> None:
    """`replace` changes what it is told, and keeps the rest."""
    one = OURS(3, 4, "t")
    assert replace(one, y=5) == OURS(3, 5, "t")
    with pytest.raises(TypeError, match="z"):
        replace(one, z=5)


def test_methods_of_its_own() -> None:
    """What a class defines itself stays."""

    @fixed
    class Silent:
        secret: str

        def __repr__(self) -> str:
            return "Silent()"

    assert repr(Silent("s")) == "Silent()"
    assert Silent("s") == Silent("s")
    assert len({Silent("s"), Silent("s")}) == 1
