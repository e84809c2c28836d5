"""What upstream's loader does in each process of an app, for Otelier's part of it.

In upstream's order: distro, configurator, instrumentations; `sitecustomize` calls it. Upstream's
asks what releases each package requires and imports `packaging` for that, time and memory of every
process. What ours observe needs no asking, and HTTP clients are asked for when the app imports one:
so where nothing else is to be put in, upstream's is not imported. Where something is (contrib's for
`celery`, say), or another configurator is named, it is all left to upstream's, which finds the same
entry points.

Whatever fails is said, and the app starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint

from otelier import _guard
from otelier._upstream import entry_points
from otelier.chosen import CONFIGURATOR, NAME
from otelier.distro import (
    CLIENTS,
    STANDS_IN_FOR,
    Configurator,
    Distro,
    derive_from_upstreams,
    is_ours,
)

_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_GEVENT = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


def initialize() -> None:
    """Observe this process, whose distro is Otelier."""
    wanted = instrumentations(os.environ)
    if suffices(os.environ, wanted):
        try:
            _observe(wanted)
        except Exception as error:
            _guard.fault("starting", error)
    else:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        derive_from_upstreams()
        initialize()


def instrumentations(environ: Mapping[str, str]) -> Sequence[EntryPoint]:
    """Those that are installed and not switched off."""
    disabled = {name.strip() for name in environ.get(_DISABLED, "").split(",")}
    found = entry_points(group="opentelemetry_instrumentor")
    return [e for e in found if e.name not in disabled] if "*" not in disabled else []


def suffices(environ: Mapping[str, str], wanted: Sequence[EntryPoint]) -> bool:
    """Whether upstream's loader has nothing to do here that is not ours to do."""
    is_alone = all(is_ours(e) or e.name in STANDS_IN_FOR or e.name in CLIENTS for e in wanted)
    return is_alone and environ.get(CONFIGURATOR) == NAME and _GEVENT not in environ


def _observe(wanted: Sequence[EntryPoint]) -> None:
    distro = Distro()
    distro.configure()
    Configurator().configure()
    _call("opentelemetry_pre_instrument")
    for entry in wanted:
        distro.load_instrumentor(entry)
    _call("opentelemetry_post_instrument")


def _call(group: str) -> None:
    for entry in entry_points(group=group):
        entry.load()()
