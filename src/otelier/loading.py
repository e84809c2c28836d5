"""From the environment to the values in force, and what was wrong with it as data.

Nothing here raises on a value of the user's, and nothing here reads the environment: `load` takes a
mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from otelier.fixed import fixed
from otelier.setting import Setting
from otelier.settings import SETTINGS
from otelier.values import Refused, endpoint, protocol


@fixed
class Problem:
    """A variable whose value is not used: said once at start, and by `otelier settings`."""

    variable: str
    value: str
    reason: str
    instead: str | None

    def __str__(self) -> str:
        then = f"using {shown(self.instead)!r}" if self.instead else "going on without it"
        return f"{self.variable}={self.value} ignored: {self.reason}; {then}"


@fixed
class Settings:
    """The values in force, by variable name."""

    values: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()

    def __getitem__(self, variable: str) -> Any:
        return self.values[variable]

    def exporters(self, signal: str) -> list[str]:
        """Names of where `traces`, `metrics` or `logs` go; none for `none`."""
        return [name for name in self[f"OTEL_{signal.upper()}_EXPORTER"] if name != "none"]

    def protocol(self, signal: str) -> str:
        """Its OTLP protocol."""
        own = self[f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"]
        return str(own or self["OTEL_EXPORTER_OTLP_PROTOCOL"])


def load(environ: Mapping[str, str]) -> Settings:
    """Read every row from `environ`. An empty text counts as unset."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for row in SETTINGS:
        text = environ.get(row.name, "").strip()
        values[row.name] = row.parse(row.default) if row.default else None
        if text:
            try:
                values[row.name] = row.parse(text)
                if row.parse is endpoint and not _speaks_grpc(environ, row.name):
                    _check_port(text)
            except Refused as refused:
                if refused.better and not _speaks_grpc(environ, row.name):
                    refused.better = refused.better.replace(":4317", ":4318")
                problems.append(_problem(row, text, refused))
                if refused.better:
                    values[row.name] = row.parse(refused.better)
    return Settings(values, tuple(problems))


def _problem(row: Setting, text: str, refused: Refused) -> Problem:
    return Problem(
        variable=row.name,
        value="(not shown)" if row.secret else repr(shown(text)[:80]),
        reason=str(refused),
        instead=refused.better or row.default,
    )


def shown(value: str) -> str:
    """A value without the user and password that a URL may hold."""
    return re.sub(r"//[^/@\s]*@", "//(not shown)@", value)


def _check_port(value: str) -> None:
    if urlsplit(value).port == 4317:
        reason = "port 4317 is for gRPC and OTLP over HTTP goes to port 4318"
        raise Refused(reason, value.replace(":4317", ":4318"))


def _speaks_grpc(environ: Mapping[str, str], endpoint_variable: str) -> bool:
    own = environ.get(endpoint_variable.replace("_ENDPOINT", "_PROTOCOL"), "").strip()
    try:
        return protocol(own or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip()) == "grpc"
    except Refused:
        return False
