"""A class of values that do not change: `@fixed` in the place of `@dataclass(frozen=True)`.

The same to whoever reads or writes it, type checkers included (PEP 681): fields by annotation,
defaults, `field(default_factory=…)`, equality, hash, repr and patterns. But nothing is compiled
for each class, which takes CPython 0.7 ms for a frozen dataclass and every start the sum of them.
Making an object takes 2 µs for that: what is made for each request or record is a plain class.
Fields of a base class are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field
from typing import Any, TypeVar, dataclass_transform, overload

_T = TypeVar("_T")


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def fixed(cls: type[_T], /) -> type[_T]: ...
@overload
def fixed(*, kw_only: bool) -> Callable[[type[_T]], type[_T]]: ...
def fixed(cls: type[Any] | None = None, /, *, kw_only: bool = False) -> Any:
    """kw_only: whether objects are made with names of fields alone."""
    if cls is None:
        return lambda given: _made(given, kw_only)
    return _made(cls, kw_only)


def replace(value: _T, **changes: Any) -> _T:
    """Another one of its class, with these fields changed."""
    kept = {name: getattr(value, name) for name in value.__match_args__}  # type: ignore[attr-defined]
    return type(value)(**{**kept, **changes})


def _made(cls: type[Any], kw_only: bool) -> type[Any]:
    names = tuple(n for n, kind in cls.__annotations__.items() if "ClassVar" not in str(kind))
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    factories: dict[str, Callable[[], Any]] = {}
    hidden: set[str] = set()
    for name, value in list(defaults.items()):
        if isinstance(value, Field):
            _take_apart(cls, name, value, defaults, factories)
            hidden.update(() if value.repr else (name,))
    shown = [name for name in names if name not in hidden]
    methods = {
        **_making(cls.__name__, names, defaults, factories, 0 if kw_only else len(names)),
        **_comparing(names, shown),
        "__match_args__": names,
    }
    for name, method in methods.items():
        if name not in vars(cls) or vars(cls)[name] is None:  # no hash, where only `__eq__` is
            setattr(cls, name, method)
    return cls


def _take_apart(
    cls: type[Any],
    name: str,
    value: Field[Any],
    defaults: dict[str, Any],
    factories: dict[str, Callable[[], Any]],
) -> None:
    """What `field(…)` said of one."""
    delattr(cls, name)
    del defaults[name]
    if value.default_factory is not MISSING:
        factories[name] = value.default_factory
    elif value.default is not MISSING:
        defaults[name] = value.default
        setattr(cls, name, value.default)


def _making(
    title: str,
    names: tuple[str, ...],
    defaults: Mapping[str, Any],
    factories: Mapping[str, Callable[[], Any]],
    most: int,
) -> Mapping[str, Any]:
    """How one is made, and that it stays as it is. most: values that may come without a name."""

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        given = {**dict(zip(names, values, strict=False)), **named}
        if len(values) > most or len(given) < len(values) + len(named):
            raise TypeError(f"{title}() takes {most} values, each once")
        made = {name: make() for name, make in factories.items() if name not in given}
        own = {**defaults, **made, **given}
        if len(own) != len(names) or not own.keys() <= set(names):
            wrong = sorted(own.keys() ^ set(names))
            raise TypeError(f"{title}() has {names}: not so {', '.join(wrong)}")
        vars(self).update((name, own[name]) for name in names)

    def refuse(self: Any, name: str, *_: Any) -> None:
        raise AttributeError(f"{title} does not change: {name}")

    return {"__init__": __init__, "__setattr__": refuse, "__delattr__": refuse}


def _comparing(names: tuple[str, ...], shown: list[str]) -> Mapping[str, Any]:
    def of(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in names)

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        return of(self) == of(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(of(self))

    def __repr__(self: Any) -> str:  # noqa: N807
        pairs = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({pairs})"

    return {"__eq__": __eq__, "__hash__": __hash__, "__repr__": __repr__}
