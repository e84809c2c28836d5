"""How trace context travels, as `OTEL_PROPAGATORS` says.

OpenTelemetry reads the variable when it is first imported: in the first process of a start, before
any distro has put its default there. Left alone, that process would take in strangers' baggage and
hand it on. Runs once, at start; a propagator that cannot be made is left out and said.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator

from otelier import _guard
from otelier._upstream import entry_points


def put_in_force(names: Iterable[str]) -> None:
    """Make these the global propagators, in this order; none of them for `none`."""
    chosen = list(names)
    found = [] if "none" in chosen else [made for name in chosen for made in _made(name)]
    set_global_textmap(CompositePropagator(found))


def _made(name: str) -> list[TextMapPropagator]:
    try:
        entries = entry_points(group="opentelemetry_propagator", name=name)
        return [entry.load()() for entry in entries][:1]
    except Exception as error:
        _guard.fault(f"making the propagator {name}", error)
        return []
