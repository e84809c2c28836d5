"""Values that an app has bound to a request, as attributes on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otelier.context import RequestContext
from otelier.export.attributes import ON_LOG, write_all
from otelier.export.preset import Preset


def encoded(box: RequestContext, extra: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    parts: list[bytes] = []
    write_all(parts, ON_LOG, Preset({"code.line": 7}), extra, box)
    record = LogRecord.FromString(b"".join(parts))
    found = []
    for pair in record.attributes:
        kind = pair.value.WhichOneof("value")
        found.append((pair.key, getattr(pair.value, kind or "")))
    return sorted(found)


def test_a_key_is_there_once() -> None:
    """A record's own value of that name wins, and the bound one is not sent beside it."""
    box = RequestContext("r")
    box.bind({"order": 1, "share": 0.5, "paid": True})
    ids = [("code.line", 7), ("http.request.id", "r")]
    rest = [("paid", True), ("share", 0.5)]
    assert encoded(box, None) == sorted([*ids, ("order", 1), *rest])
    assert encoded(box, {"order": 2}) == sorted([*ids, ("order", 2), *rest])
    assert encoded(box, {"other": 3}) == sorted([*ids, ("order", 1), ("other", 3), *rest])


def test_what_is_bound_later_counts() -> None:
    """The bytes that are kept with the request are made again."""
    box = RequestContext("r")
    assert ("plan", "a") not in encoded(box, None)
    box.bind({"plan": "a"})
    assert ("plan", "a") in encoded(box, None)
    box.bind({})
    assert ("plan", "a") not in encoded(box, None)
