"""The programs in docs/users.md do what the page says of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from otelier.instrumentation.http import HTTPInstrumentor
from otelier.sources import user_sources
from tests.conftest import Telemetry
from tests.instrumentation.asking import ask
from tests.instrumentation.conftest import options

PAGE = (Path(__file__).parents[2] / "docs" / "users.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def program(containing: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's program with this text, as the module `main`."""
    (text,) = [text for text in PROGRAMS if containing in text]
    module = ModuleType("main")
    monkeypatch.setitem(sys.modules, "main", module)
    exec(compile(text, "docs/users.md", "exec"), vars(module))
    return module


def asked(telemetry: Telemetry, app: Any, path: str, source: str = "", **headers: str) -> Any:
    """Attributes of the span of one request."""
    found = user_sources(source) if source else ()
    HTTPInstrumentor().instrument(options=options(user_from=found), skip_dep_check=True)
    try:
        assert ask(app, path, **headers).status == 200
    finally:
        HTTPInstrumentor().uninstrument()
    (span,) = telemetry.spans
    return span.attributes


def test_the_app_that_knows_nothing(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting that stands above it, its user is found."""
    source = "main:get_current_user:id"
    assert f"`OTELIER_USER_FROM={source}`" in PAGE
    app = program("get_current_user", monkeypatch).app
    found = asked(telemetry, app, "/orders", source, authorization="Bearer alice")
    assert found["user.id"] == "alice"


def test_the_app_that_binds(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, session and what else it says."""
    found = asked(telemetry, program("bind_user", monkeypatch).app, "/orders/1")
    wanted = {"user.id": "u-42", "session.id": "s-7", "tenant": "acme", "plan": "gold"}
    assert {name: found.get(name) for name in wanted} == wanted


def test_the_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is run with this environment and with what is handed on."""
    module, run = program("otelier.environ()", monkeypatch), list[Any]()
    monkeypatch.setattr(module.subprocess, "run", lambda *args, **more: run.append((args, more)))
    monkeypatch.setenv("SOME", "thing")
    module.convert("a.png")
    ((args, more),) = run
    assert args == (["convert", "a.png"],)
    assert (more["env"]["SOME"], more["check"]) == ("thing", True)


def test_every_program_is_tried() -> None:
    """There is none on the page that no test above has run."""
    assert len(PROGRAMS) == 3
