"""What the semantic conventions have published, and what differs from it.

Attributes are those of attributes.tsv (`make` beside it writes the file and says from what);
metrics are read from the installed `opentelemetry-semantic-conventions`, which has their units and
instruments. `findings` takes what arrived at `otelier.cli.receiver`, of whatever instrumentation.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from otelier.cli.receiver import Log, Point, Span
from otelier.signals import FASTAPI, SIGNALS, Signal

ATTRIBUTES_FILE = Path(__file__).with_name("attributes.tsv")

# Names of our own, as section 5 of the design has them; others begin with `otelier.`.
OURS = frozenset(("http.request.id",))
PREFIX = "otelier."

# Deprecated names that are sent all the same, and why.
KEPT: Mapping[str, str] = {
    "system.device": "its name in the release that we name; `system.device.name` from 1.45 on",
    "deployment.environment": "sent beside its new name: backends of before 2025 know only this",
}

# Names of FastAPI's own, which its users know: sent in its place, see `instrumentation.native`.
FASTAPI_S = frozenset(("fastapi.validation.error_count",))

_TEMPLATE = ".<key>"


@dataclass(frozen=True)
class Attribute:
    """state: stable, development or deprecated. instead: names, separated by commas."""

    name: str
    type: str
    state: str
    instead: str


@dataclass(frozen=True)
class Metric:
    """instrument: as `signals.py` writes it. unit: as UCUM has it."""

    name: str
    instrument: str
    unit: str
    is_deprecated: bool


def _read_attributes() -> Iterator[Attribute]:
    for line in ATTRIBUTES_FILE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield Attribute(*line.split("\t"))


def conventions_folder() -> Path:
    """Where the installed package is."""
    spec = find_spec("opentelemetry.semconv")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def constants(part: str) -> Iterator[tuple[str, str]]:
    """Published names and the text under each, of `attributes` or `metrics`."""
    folder = conventions_folder()
    for file in sorted(
        [*(folder / part).glob("*.py"), *(folder / "_incubating" / part).glob("*.py")]
    ):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for node, following in pairwise(body):
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
                yield str(node.value.value), ast.unparse(following)


def _read_metrics() -> Iterator[Metric]:
    instruments = {"updowncounter": "up-down counter"}
    for name, text in constants("metrics"):
        lines = ast.literal_eval(text).splitlines()
        said = dict(line.split(": ", 1) for line in lines if ": " in line)
        instrument = said.get("Instrument", "")
        yield Metric(
            name=name,
            instrument=instruments.get(instrument, instrument),
            unit=said.get("Unit", ""),
            is_deprecated="Deprecated" in said,
        )


ATTRIBUTES: Mapping[str, Attribute] = {row.name: row for row in _read_attributes()}
METRICS: Mapping[str, Metric] = {row.name: row for row in _read_metrics()}
ROWS: Mapping[str, Signal] = {row.name: row for row in SIGNALS}

_HOLDS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, float),
    "float": lambda value: isinstance(value, float),
}

# How OTLP carries each instrument: the kind of its data, and whether it only ever grows.
_CARRIED: Mapping[tuple[str, bool], str] = {
    ("sum", True): "counter",
    ("sum", False): "up-down counter",
    ("gauge", False): "gauge",
    ("histogram", False): "histogram",
    ("exponential_histogram", False): "histogram",
}


@cache
def published(name: str) -> Attribute | None:
    """The attribute of that name, or the template that it is made from."""
    found = ATTRIBUTES.get(name)
    prefix = name
    while found is None and "." in prefix:
        prefix = prefix.rpartition(".")[0]
        found = ATTRIBUTES.get(prefix + _TEMPLATE)
    return found


def is_ours(name: str) -> bool:
    return name in OURS or name.startswith(PREFIX)


def of_row(row: Signal) -> list[str]:
    """What differs between a row of the table and what is published."""
    if row.name in FASTAPI_S:
        return [] if row.source == FASTAPI else [f"{row.name}: is FastAPI's"]
    return _of_metric_row(row) if row.unit else _of_attribute_row(row)


def _of_attribute_row(row: Signal) -> list[str]:
    model = published(row.name)
    if is_ours(row.name):
        return [f"{row.name}: published as well"] if model else []
    if model is None:
        return [f"{row.name}: not published"]
    found = [] if model.type == row.type else [f"{row.name}: {row.type}, published as {model.type}"]
    return found + _deprecated(model)


def _of_metric_row(row: Signal) -> list[str]:
    model = METRICS.get(row.name)
    if is_ours(row.name):
        return [f"{row.name}: published as well"] if model else []
    if model is None:
        return [f"{row.name}: not published"]
    return _of_metric(row.name, model, row.kind, row.unit)


def _of_metric(name: str, model: Metric, instrument: str, unit: str) -> list[str]:
    if model.is_deprecated:
        return [f"{name}: deprecated"]
    found = []
    if instrument != model.instrument:
        found.append(f"{name}: a {instrument}, published as a {model.instrument}")
    if unit != model.unit:
        found.append(f"{name}: in {unit!r}, published in {model.unit!r}")
    return found


def _deprecated(model: Attribute) -> list[str]:
    if model.state != "deprecated" or model.name in KEPT:
        return []
    return [f"{model.name}: deprecated" + (f", now {model.instead}" if model.instead else "")]


def findings(
    spans: Iterable[Span] = (),
    logs: Iterable[Log] = (),
    points: Iterable[Point] = (),
    *,
    also: Collection[str] = (),
) -> list[str]:
    """What arrived under an unknown or deprecated name, or with a wrong type, unit or instrument.

    also: names that the app has chosen. What Otelier's own instrumentations send must be in the
    table besides being published. Each finding is one sentence, and is there once.
    """
    found: dict[str, None] = {}

    def note(owner: str, attributes: Mapping[str, Any], scope: str) -> None:
        for name, value in attributes.items():
            if name not in also:
                found.update((f"{owner}: {text}", None) for text in _of_value(name, value, scope))

    for span in spans:
        note(f"span {span.name!r}", span.attributes, span.scope)
        note("resource", span.resource, PREFIX)
        for name, attributes in span.events:
            note(f"event {name!r}", attributes, span.scope)
    for log in logs:
        note(f"log of {log.scope!r}", log.attributes, log.scope)
        note("resource", log.resource, PREFIX)
    for point in points:
        found.update(
            (f"metric {text}", None) for text in _of_point(point) if point.name not in also
        )
        note(f"metric {point.name!r}", point.attributes, "")
        note("resource", point.resource, PREFIX)
    return list(found)


def _of_value(name: str, value: Any, scope: str) -> list[str]:
    row, model = ROWS.get(name), published(name)
    if row is None and (model is None or is_ours(name)):
        return [f"{name}: unknown"]
    kind = model.type if model else row.type if row else ""
    found = _deprecated(model) if model else []
    if row is None and scope.startswith(PREFIX):
        found.append(f"{name}: not in the table")
    if not _holds(kind, value):
        found.append(f"{name}: {value!r} is no {kind}")
    return found


def _holds(kind: str, value: Any) -> bool:
    if kind.endswith("[]"):
        of = _HOLDS[kind.removesuffix("[]")]
        return isinstance(value, list) and all(map(of, value))
    return _HOLDS[kind](value)


def _of_point(point: Point) -> list[str]:
    instrument = _CARRIED[point.kind, point.is_monotonic]
    row = ROWS.get(point.name)
    model = METRICS.get(point.name)
    if model is None and row is not None:
        model = Metric(row.name, row.kind, row.unit, is_deprecated=False)
    if model is None:
        return [f"{point.name}: unknown"]
    return _of_metric(point.name, model, instrument, point.unit)
