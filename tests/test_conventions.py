"""Names, units and types against what the semantic conventions have published."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otelier.cli.receiver import Log, Point, Span
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.signals import DATABASE, HTTP, SIGNALS, Signal
from tests.conventions import (
    ATTRIBUTES,
    FASTAPI_S,
    KEPT,
    METRICS,
    OURS,
    PREFIX,
    constants,
    conventions_folder,
    findings,
    is_ours,
    of_row,
)

MAKE = Path(__file__).parent / "conventions" / "make"


def attribute(name: str, of: str = "string", **more: Any) -> Signal:
    return Signal(name=name, kind="attribute", meaning="m", on="o", source=HTTP, type=of, **more)


def metric(name: str, kind: str, unit: str) -> Signal:
    return Signal(name=name, kind=kind, meaning="m", on="o", source=DATABASE, unit=unit)


@pytest.mark.parametrize("row", SIGNALS, ids=lambda row: row.name)
def test_a_row_is_as_published(row: Signal) -> None:
    """Name, type, unit and instrument are the published ones; none is deprecated."""
    assert of_row(row) == []


@pytest.mark.parametrize("row", SIGNALS, ids=lambda row: row.name)
def test_our_own_names_say_so(row: Signal) -> None:
    """A row without a source is one of ours, and the other way round."""
    assert bool(row.source) is not is_ours(row.name)


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (attribute("http.router"), "not published"),
        (attribute("db.statement"), "deprecated, now db.query.text"),
        (attribute("http.response.status_code"), "string, published as int"),
        (attribute("http.request.header.accept"), "string, published as string[]"),
        (metric("db.client.operation.durations", "histogram", "s"), "not published"),
        (metric("db.client.operation.duration", "histogram", "ms"), "in 'ms', published in 's'"),
        (metric("db.client.operation.duration", "counter", "s"), "a counter, published as"),
        (metric("db.client.connections.usage", "up-down counter", "{connection}"), "deprecated"),
    ],
)
def test_a_wrong_row_is_found(row: Signal, wrong: str) -> None:
    """A planted slip is named, and only it."""
    (found,) = of_row(row)
    assert wrong in found


def test_what_is_ours_is_not_published() -> None:
    """Once the conventions have a name for it, ours goes."""
    assert not {name for name in ATTRIBUTES if is_ours(name)}
    assert not {name for name in METRICS if is_ours(name)}
    assert {row.name for row in SIGNALS if not row.source} >= OURS
    assert PREFIX == "otelier."


def test_what_is_kept_is_still_deprecated() -> None:
    """An exception that is none any more goes as well."""
    assert {ATTRIBUTES[name].state for name in KEPT} == {"deprecated"}
    assert set(KEPT) <= {row.name for row in SIGNALS}


def test_the_release_that_we_name_has_the_names() -> None:
    """The schema URL on our records names the installed conventions' release, and every name that
    we send was in it already, though the types come from a release that is newer."""
    schemas = (conventions_folder() / "schemas.py").read_text(encoding="utf-8")
    urls = [word.strip('"') for word in schemas.split() if word.startswith('"https:')]
    assert max(urls, key=_release) == SCHEMA_URL
    then = dict(constants("attributes")) | dict(constants("metrics"))
    ours = {row.name.removesuffix(".<key>") for row in SIGNALS if row.source} - FASTAPI_S
    assert ours - set(then) == set()


def _release(url: str) -> tuple[int, ...]:
    return tuple(int(part) for part in url.rpartition("/")[2].split("."))


def test_the_file_is_as_it_is_made() -> None:
    """Attributes are those of the packages, which Maven fetches."""
    done = subprocess.run([sys.executable, MAKE, "--check"], timeout=300)
    if done.returncode == 3 and not os.environ.get("CI"):
        pytest.skip("NOT TESTED: the Java packages cannot be fetched: install Maven (mvn)")
    assert done.returncode == 0


def test_the_file_is_whole() -> None:
    """Of attributes there are hundreds, of every type; of metrics too, with unit and instrument."""
    assert len(ATTRIBUTES) > 900
    kinds = {row.type.removesuffix("[]") for row in ATTRIBUTES.values()}
    assert kinds == {"string", "int", "double", "boolean"}
    whole = [m for m in METRICS.values() if m.is_deprecated or (m.unit and m.instrument)]
    assert len(whole) == len(METRICS) > 300


RESOURCE = {"service.name": "shop", "process.pid": 7}


def span(attributes: dict[str, Any], scope: str = "otelier.http", **more: Any) -> Span:
    given: dict[str, Any] = {
        "name": "GET /",
        "kind": 2,
        "trace_id": "1",
        "span_id": "2",
        "parent_id": "",
        "start": 1,
        "end": 2,
        "status": 0,
        "events": (),
        "resource": RESOURCE,
    }
    return Span(attributes=attributes, scope=scope, **{**given, **more})


def log(attributes: dict[str, Any]) -> Log:
    return Log("said", "INFO", "", "", 1, attributes, "crm.contacts", RESOURCE)


def point(name: str, unit: str, kind: str, *, is_monotonic: bool = False, **more: Any) -> Point:
    attributes = {key.replace("_", "."): value for key, value in more.items()}
    return Point(name, unit, kind, True, 1, 1.0, attributes, {}, is_monotonic=is_monotonic)


def test_nothing_is_found_where_all_is_well() -> None:
    """Right names with right values, the app's own names, and names of other instrumentations."""
    good = span({"http.request.method": "GET", "http.response.status_code": 200})
    foreign = span({"url.full": "http://x", "http.request.header.accept": ["a"]}, scope="httpx")
    assert (
        findings([good, foreign], [log({"order": 7, "http.request.id": "a"})], also=["order"]) == []
    )
    duration = point("http.server.request.duration", "s", "histogram", http_route="/")
    assert findings(points=[duration]) == []


@pytest.mark.parametrize(
    ("arrived", "wrong"),
    [
        ({"http.router": "/"}, "http.router: unknown"),
        ({"otelier.x": "/"}, "otelier.x: unknown"),
        ({"http.response.status_code": "200"}, "http.response.status_code: '200' is no int"),
        ({"http.response.status_code": True}, "True is no int"),
        ({"http.response.status_code": 200.0}, "200.0 is no int"),
        ({"http.route": 1}, "1 is no string"),
        ({"http.request.id": 1}, "1 is no string"),
    ],
)
def test_a_wrong_value_is_found(arrived: dict[str, Any], wrong: str) -> None:
    """Wherever it stands: on a span, its event or its resource, on a record, on a point."""
    for found in (
        findings([span(arrived)]),
        findings([span({}, events=(("exception", arrived),))]),
        findings([span({}, resource=arrived)]),
        findings(logs=[log(arrived)]),
    ):
        assert len(found) == 1
        assert wrong in found[0]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (span({"url.full": "http://x"}), "url.full: not in the table"),
        (span({"http.url": "http://x"}, scope="httpx"), "http.url: deprecated, now url.full"),
        (span({"http.request.header.accept": "a"}, scope="httpx"), "'a' is no string[]"),
    ],
)
def test_a_wrong_name_is_found(given: Span, wrong: str) -> None:
    """Ours must be in the table; of others a published name that is in force is enough."""
    (found,) = findings([given])
    assert wrong in found


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (point("http.server.request.duration", "ms", "histogram"), "in 'ms'"),
        (point("http.server.request.duration", "s", "gauge"), "a gauge"),
        (point("http.server.active_requests", "{request}", "sum", is_monotonic=True), "a counter"),
        (point("http.server.requests", "1", "sum", is_monotonic=True), "unknown"),
        (point("http.server.request.duration", "s", "histogram", http_method="GET"), "deprecated"),
    ],
)
def test_a_wrong_metric_is_found(given: Point, wrong: str) -> None:
    """Name, unit, instrument and the attributes of its points."""
    (found,) = findings(points=[given])
    assert wrong in found
