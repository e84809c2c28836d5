"""Other products that observe the same process: named in a line each, and left alone.

They put their own layers around the same calls. Both work side by side (each calls what it found),
and both cost; so it is said, and nothing of theirs is touched, imported or configured. One counts
when it is at work, not when it is merely imported: asked of the modules that the process has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from otelier.fixed import fixed

Modules = Mapping[str, Any]


@fixed
class Neighbour:
    """name: of its package. module: what it is imported as.

    is_at_work: asked of the module and of all modules, once the first is there.
    remark: what follows from it.
    """

    name: str
    module: str
    is_at_work: Callable[[Any, Modules], bool]
    remark: str


def _ddtrace(ddtrace: Any, modules: Modules) -> bool:
    """By `ddtrace-run`, by `import ddtrace.auto`, or by its patch of the web framework."""
    automatic = ("ddtrace.auto", "ddtrace.bootstrap.preload")
    patched = tuple(f"ddtrace.contrib.internal.{name}.patch" for name in ("fastapi", "starlette"))
    return bool(ddtrace.tracer.enabled) and any(name in modules for name in automatic + patched)


def _newrelic(agent: Any, _: Modules) -> bool:
    settings = agent.global_settings()
    return bool(settings.license_key and settings.monitor_mode)


def _elastic(elasticapm: Any, _: Modules) -> bool:
    return elasticapm.get_client() is not None


def _sentry(sentry: Any, _: Modules) -> bool:
    client = sentry.get_client()
    return bool(client.is_active() and client.dsn)


NEIGHBOURS = (
    Neighbour(
        "ddtrace",
        "ddtrace",
        _ddtrace,
        "requests are traced twice, and both send; start without ddtrace-run to have them once",
    ),
    Neighbour(
        "newrelic",
        "newrelic.agent",
        _newrelic,
        "requests are traced twice, and both send; start without newrelic-admin to have them once",
    ),
    Neighbour(
        "elastic-apm",
        "elasticapm",
        _elastic,
        "requests are traced twice, and both send; leave its middleware out to have them once",
    ),
    Neighbour(
        "sentry-sdk",
        "sentry_sdk",
        _sentry,
        "exceptions go to both, and so do traces if its traces_sample_rate is set",
    ),
)


# Elastic's wrapper takes the place of the launcher's start-up module, and does not call it.
_HIDING = "elasticapm-run"


def lines(modules: Modules, command: Sequence[str] = ()) -> list[str]:
    """A line for each neighbour that is at work; the first word is its name.

    modules: `sys.modules`. command: `sys.orig_argv`.
    """
    hiding = any(PurePath(part).name == _HIDING for part in command[:3])
    hidden = f"{_HIDING} keeps Otelier out of the app that it starts: start the app without it"
    return ([hidden] if hiding else []) + [
        f"{neighbour.name} is active too: {neighbour.remark}"
        for neighbour in NEIGHBOURS
        if neighbour.module in modules and _is_at_work(neighbour, modules)
    ]


def _is_at_work(neighbour: Neighbour, modules: Modules) -> bool:
    try:
        return neighbour.is_at_work(modules[neighbour.module], modules)
    except Exception:  # a release that we do not know: no line is better than a wrong one
        return False
