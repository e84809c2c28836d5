"""Whose line it is, by where files lie."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
from types import CodeType
from typing import Any

import pytest

from otelier.instrumentation.callers import Line, calling_line

BESIDE = "/opt/python"
INSTALLED = "/srv/venv/lib/python3.13/site-packages"


def module_of(file: str) -> str:
    """As Python would name it: folders of `sys.path` are not part of it."""
    for folder in (INSTALLED, BESIDE, "/app"):
        file = file.removeprefix(f"{folder}/")
    return file.removesuffix(".py").replace("/", ".")


def chain_of(*files: str) -> Any:
    """Functions in these files, each called by the one before; the last one asks for its line."""
    called: Any = calling_line
    for number, file in reversed(list(enumerate(files))):
        code: CodeType = compile(f"def f{number}(): return called()", file, "exec")
        known = {"called": called, "__name__": module_of(file)}
        exec(code, known)
        called = known[f"f{number}"]
    return called


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (("/app/orders.py",), "/app/orders.py"),
        (("/app/a.py", "/app/b.py"), "/app/b.py"),
        (("/app/a.py", f"{INSTALLED}/sqlalchemy/orm/session.py"), "/app/a.py"),
        (("/app/a.py", f"{sysconfig.get_path('stdlib')}/contextlib.py"), "/app/a.py"),
        (("/app/a.py", "<string>", "<frozen runpy>"), "/app/a.py"),
        (("/app/a.py", "/usr/lib/python3/dist-packages/records.py"), "/app/a.py"),
        (("/app/a.py", f"{BESIDE}/sqlalchemy/orm/session.py"), "/app/a.py"),
        (("/app/a.py", f"{BESIDE}/otelier/instrumentation/database.py"), "/app/a.py"),
        (("/app/a.py", f"{INSTALLED}/shop/orders.py"), "/app/a.py"),
    ],
)
def test_the_nearest_of_the_app(files: tuple[str, ...], found: str) -> None:
    line = chain_of(*files)()
    assert line is not None
    assert (line.file, line.number) == (found, 1)


def in_thread(work: Any) -> Any:
    """Without the frames of this test below it."""
    told: list[Any] = []
    known: dict[str, Any] = {"told": told, "work": work}
    exec(compile("def run(): told.append(work())", "<thread>", "exec"), known)
    thread = threading.Thread(target=known["run"])
    thread.start()
    thread.join()
    return told[0]


def test_an_app_that_is_installed() -> None:
    """The nearest package that is no framework; none where there is nothing but frameworks."""
    shop, framework = f"{INSTALLED}/shop/orders.py", f"{INSTALLED}/starlette/routing.py"
    session, script = f"{INSTALLED}/sqlalchemy/orm/session.py", f"{sys.prefix}/bin/uvicorn"
    assert in_thread(chain_of(script, framework, shop, session)) == Line(shop, "f2", 1)
    assert in_thread(chain_of(script, framework, session)) is None


def test_what_is_behind_the_event_loop() -> None:
    """Whoever started the loop has not asked for anything."""

    async def alone() -> Line | None:
        # A task of a function that is in no file.
        known: dict[str, Any] = {"calling_line": calling_line}
        exec(compile("async def lone(): return calling_line()", "<lone>", "exec"), known)
        task = asyncio.get_running_loop().create_task(known["lone"]())
        while not task.done():
            await asyncio.sleep(0)
        return task.result()

    assert asyncio.run(alone()) is None
