"""A class of values that do not change: `@fixed` in the place of `@dataclass(frozen=True)`.

The same to whoever reads or writes it, type checkers included (PEP 681): annotations are fields,
with defaults, equality, hash, repr and patterns. But nothing is compiled for each class, which
takes CPython 0.7 ms for a frozen dataclass and every start the sum of them. Making an object takes
2 µs for that: what is made for each request or record is a plain class.

Defaults are shared, so they are what cannot be changed. Fields of a base class are not looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def fixed(cls: type[_T]) -> type[_T]:
    """Methods that the class has itself stay."""
    names = tuple(cls.__annotations__)
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    methods = {**_making(cls.__name__, names, defaults), **_comparing(names)}
    for name, method in methods.items():
        if vars(cls).get(name) is None:  # a hash, where only `__eq__` is
            setattr(cls, name, method)
    return cls


def replace(value: _T, **changes: Any) -> _T:
    """Another one of its class, with these fields changed."""
    kept = {name: getattr(value, name) for name in value.__match_args__}  # type: ignore[attr-defined]
    return type(value)(**{**kept, **changes})


def _making(title: str, names: tuple[str, ...], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """How one is made, and that it stays as it is."""
    known = frozenset(names)

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        own = {**defaults, **dict(zip(names, values, strict=False)), **named}
        is_twice = len(values) > len(names) or not named.keys().isdisjoint(names[: len(values)])
        if is_twice or own.keys() != known:
            wrong = sorted(own.keys() ^ known) or f"{len(values)} values and {list(named)}"
            raise TypeError(f"{title} is made of {', '.join(names)}, each once; not so: {wrong}")
        vars(self).update(own)

    def refuse(self: Any, name: str, *_: Any) -> None:
        raise AttributeError(f"{title} does not change: {name}")

    making = {"__init__": __init__, "__setattr__": refuse, "__delattr__": refuse}
    return {**making, "__match_args__": names}


def _comparing(names: tuple[str, ...]) -> Mapping[str, Any]:
    """By what is in the fields; what a cached property has left beside them does not count."""

    def of(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in names)

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        return of(self) == of(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(of(self))

    def __repr__(self: Any) -> str:  # noqa: N807
        pairs = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({pairs})"

    return {"__eq__": __eq__, "__hash__": __hash__, "__repr__": __repr__}
