"""One row of the table of signals, the conventions that rows are from, and what makes rows that
differ by a few words."""

from __future__ import annotations

from otelier.fixed import fixed

HTTP = "semantic conventions, HTTP"
DATABASE = "semantic conventions, database"
RESOURCE = "semantic conventions, resource"
CODE = "semantic conventions, code"
EXCEPTION = "semantic conventions, exceptions"
USER = "semantic conventions, user"
SESSION = "semantic conventions, session"
NETWORK = "semantic conventions, general"
SDK = "semantic conventions, OpenTelemetry SDK"
FASTAPI = "FastAPI, its own telemetry"


@fixed
class Signal:
    """One name.

    kind: resource, attribute (of spans and log records) or a metric's instrument.
    type: of an attribute's value; unit: of a metric (UCUM).
    on: where it is found.
    source: which convention defines it; empty for our own.
    """

    name: str
    kind: str
    meaning: str
    type: str = "string"
    unit: str = ""
    on: str = ""
    source: str = ""


def attribute(name: str, meaning: str, on: str, source: str, of: str = "string") -> Signal:
    return Signal(name=name, kind="attribute", meaning=meaning, on=on, source=source, type=of)


def resource(name: str, meaning: str, of: str = "string") -> Signal:
    return Signal(
        name=name, kind="resource", meaning=meaning, on="everything", source=RESOURCE, type=of
    )


def count(
    name: str, meaning: str, unit: str, on: str, source: str = "", kind: str = "counter"
) -> Signal:
    return Signal(
        name=name, kind=kind, meaning=meaning, type="int", unit=unit, on=on, source=source
    )


def level(name: str, meaning: str, unit: str, on: str, source: str = "") -> Signal:
    return count(name, meaning, unit, on, source, "up-down counter")


def seconds(name: str, meaning: str, on: str, source: str = "") -> Signal:
    return Signal(
        name=name, kind="histogram", meaning=meaning, type="float", unit="s", on=on, source=source
    )
