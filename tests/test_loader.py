"""Which loader observes a process, and that neither does less than the other.

Real parts: the launcher, both loaders, contrib's packages as they are installed.
"""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import EntryPoint

import pytest

from otelier.loader import instrumentations, suffices
from parts.server import BIN, environment

OURS = EntryPoint("redis", "otelier.instrumentation.cache:CacheInstrumentor", "g")
REPLACED = EntryPoint("fastapi", "opentelemetry.instrumentation.fastapi:FastAPIInstrumentor", "g")
OTHER = EntryPoint("celery", "opentelemetry.instrumentation.celery:CeleryInstrumentor", "g")
CLIENT = EntryPoint("httpx", "opentelemetry.instrumentation.httpx:HTTPXClientInstrumentor", "g")
GEVENT = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
ALONE = {"OTEL_PYTHON_CONFIGURATOR": "otelier"}

PROBE = """
import json, sys
from otelier.distro import Distro
loaders = ("packaging", "opentelemetry.instrumentation.auto_instrumentation")
theirs = [name for name in loaders if name in sys.modules]
import fastapi, redis, sqlalchemy
print(json.dumps([theirs, sorted(Distro.started.observed), fastapi.FastAPI.__call__.__module__]))
"""


def probe(**variables: str) -> tuple[list[str], list[str], str, str]:
    """Modules of upstream's loader, what is observed, whose FastAPI's call is, stderr."""
    done = subprocess.run(
        [BIN / "opentelemetry-instrument", "python", "-c", PROBE],
        env=environment({"OTEL_METRICS_EXPORTER": "none", **variables}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded, seen, owner = json.loads(done.stdout)
    return loaded, seen, owner, done.stderr


def test_alone_it_needs_no_other() -> None:
    """With ours and HTTP clients to put in, upstream's loader and what it imports stay away."""
    loaded, seen, owner, said = probe()
    assert loaded == []
    assert {"fastapi", "httpx", "logging", "redis", "sqlalchemy"} <= set(seen)
    assert owner.startswith("otelier.")
    assert "sends traces" in said


def test_upstreams_loader_does_as_much() -> None:
    """Where it is asked for what is its own: here, with a word of its own, for gevent."""
    loaded, seen, owner, said = probe(**{GEVENT: "none"})
    assert loaded == ["packaging", "opentelemetry.instrumentation.auto_instrumentation"]
    assert seen == probe()[1]
    assert owner.startswith("otelier.")
    assert "sends traces" in said


@pytest.mark.parametrize(
    ("more", "wanted", "alone"),
    [
        ({}, [OURS], True),
        ({}, [OURS, REPLACED], True),
        ({}, [OURS, CLIENT], True),
        ({}, [OURS, OTHER], False),
        ({"OTEL_PYTHON_CONFIGURATOR": "mine"}, [OURS], False),
        ({GEVENT: "patch_all"}, [OURS], False),
    ],
)
def test_who_observes(more: dict[str, str], wanted: list[EntryPoint], alone: bool) -> None:
    """Whatever is not ours to do is upstream's."""
    assert suffices({**ALONE, **more}, wanted) is alone


def test_without_a_configurator_named() -> None:
    """As where only `PYTHONPATH` is set: upstream's takes the first that it finds."""
    assert not suffices({}, [OURS])


def test_what_is_switched_off() -> None:
    """Names with blanks around them, and the asterisk for all, as in upstream's loader."""
    all_of_them = {entry.name for entry in instrumentations({})}
    assert {"fastapi", "redis"} <= all_of_them
    off = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": " redis , fastapi"}
    assert {e.name for e in instrumentations(off)} == all_of_them - {"redis", "fastapi"}
    assert instrumentations({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis,*"}) == []
