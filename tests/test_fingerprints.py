"""One fingerprint for one bug, however it is dressed; another one for another place."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from otelier.fingerprints import _frames, fingerprint

SHOP = """
def price(order):
    return order["price"]

def total(orders):
    return sum([price(order) for order in orders])

def charge(order):
    return price(order)

def refund(order):
    if order:
        return price(order)
    return price({"again": order})

def deep(order, rounds):
    return deep(order, rounds - 1) if rounds else price(order)

def wrapped(order):
    try:
        price(order)
    except KeyError as error:
        raise RuntimeError(f"no price in {order}") from error

run = lambda order: price(order)
"""


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    """Imports a text as the module `some_shop`, from a folder of its own."""

    def make(text: str = SHOP, folder: str = "one") -> ModuleType:
        (tmp_path / folder).mkdir(exist_ok=True)
        file = tmp_path / folder / "some_shop.py"
        file.write_text(dedent(text))
        spec = importlib.util.spec_from_file_location("some_shop", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["some_shop"] = module
        spec.loader.exec_module(module)
        return module

    yield make
    sys.modules.pop("some_shop", None)


def of(do: Callable[..., object], *given: object) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        do(*given)
    return fingerprint(raised.value)


def test_the_same_bug(imported: Callable[..., ModuleType]) -> None:
    """Moved by ten lines, with another message, in another folder, formatted in another way."""
    known = of(imported().charge, {"id": 1})
    assert known == of(imported("\n" * 10 + SHOP, "two").charge, {"id": 2})
    assert known == of(imported(SHOP.replace("    ", "\t"), "three").charge, {})
    assert known == of(
        imported(SHOP.replace('order["price"]', 'order[ "price" ]'), "four").charge, {}
    )
    assert known == f"{int(known, 16):032x}"


def test_another_message(imported: Callable[..., ModuleType]) -> None:
    shop = imported()
    assert of(shop.wrapped, {"id": 1}) == of(shop.wrapped, {"id": 2})


def test_another_place(imported: Callable[..., ModuleType]) -> None:
    """Another function, another line of one function, another class, another cause."""
    shop = imported()
    other_class = imported(SHOP.replace('return order["price"]', 'raise TypeError("price")'), "two")
    other_cause = imported(SHOP.replace("raise RuntimeError(f", "raise KeyError(f"), "three")
    found = [
        of(shop.charge, {}),
        of(shop.refund, {"some": 1}),
        of(shop.refund, {}),
        of(shop.run, {}),
        of(shop.wrapped, {}),
        of(other_class.charge, {}),
        of(other_cause.wrapped, {}),
    ]
    assert len(set(found)) == len(found)


def test_what_does_not_count(imported: Callable[..., ModuleType]) -> None:
    """How deep a recursion went; whether a comprehension is a function, as before Python 3.12."""
    shop = imported()
    assert of(shop.deep, {}, 3) == of(shop.deep, {}, 30)
    with pytest.raises(KeyError) as raised:
        shop.total([{}])
    own, _ = _frames(raised.value.__traceback__)
    told = "\n".join(own)
    assert "some_shop\ttotal\t" in told
    assert "comp>" not in told


def test_another_release_of_a_library(imported: Callable[..., ModuleType]) -> None:
    """How a driver comes to raise a cause does not count where a call of the app is known."""
    shop = imported()

    def driver(*through: str) -> Exception:
        """A cause raised in functions of these names, within a library."""
        names = {"__name__": "sqlalchemy.engine.default"}
        text = "def do_execute(): raise ValueError('taken')\n"
        for inner, outer in pairwise(("do_execute", *through)):
            text += f"def {outer}(): {inner}()\n"
        exec(compile(text, "/site-packages/sqlalchemy/engine/default.py", "exec"), names)
        with pytest.raises(ValueError, match="taken") as raised:
            names[("do_execute", *through)[-1]]()  # type: ignore[operator]
        error = raised.value
        assert error.__traceback__ is not None
        error.__traceback__ = error.__traceback__.tb_next  # without this test's own frame
        return error

    def caused(cause: Exception) -> str:
        with pytest.raises(KeyError) as raised:
            shop.charge({})
        raised.value.__cause__ = cause
        return fingerprint(raised.value)

    assert caused(driver("_execute")) == caused(driver("_exec_single", "_execute"))
    assert fingerprint(driver("_execute")) != fingerprint(driver("_exec_single", "_execute"))


def test_a_framework_took_it_out_of_a_group(imported: Callable[..., ModuleType]) -> None:
    """As Starlette does of a task group's, in some of its releases."""
    shop = imported()
    with pytest.raises(KeyError) as raised:
        shop.charge({})
    bare = fingerprint(raised.value)
    raised.value.__context__ = ExceptionGroup("unhandled errors in a TaskGroup", [raised.value])
    assert fingerprint(raised.value) == bare


def test_of_a_library(imported: Callable[..., ModuleType]) -> None:
    """A module of a known library in another folder is that library; its lines do not count."""
    import json

    with pytest.raises(ValueError, match="Expecting") as raised:
        json.loads("{")
    error = raised.value
    here = error.__traceback__
    error.__traceback__ = here.tb_next if here is not None else None
    # Nothing of the app's is known: the route tells.
    assert fingerprint(error, "/a") == fingerprint(error, "/a")
    assert fingerprint(error, "/a") != fingerprint(error, "/b")


def test_a_group_has_its_members(imported: Callable[..., ModuleType]) -> None:
    shop = imported()

    def group(*given: object) -> ExceptionGroup[Exception]:
        members: list[Exception] = []
        for do in given:
            try:
                do({})  # type: ignore[operator]
            except Exception as error:
                members.append(error)
        return ExceptionGroup("some", members)

    assert fingerprint(group(shop.charge)) == fingerprint(group(shop.charge))
    assert fingerprint(group(shop.charge)) != fingerprint(group(shop.run))


def test_nothing_raises() -> None:
    class Hostile(Exception):
        @property
        def __cause__(self) -> BaseException | None:  # type: ignore[override]
            raise ValueError

    class Loop(Exception):
        """Its own cause."""

    loop = Loop()
    loop.__cause__ = loop
    for error in (Hostile(), loop, RecursionError()):
        assert len(fingerprint(error)) == 32
