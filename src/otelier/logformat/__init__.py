"""A record of `logging` as one line: JSON for machines, `console` for people.

Pure: plain arguments, no environment, no output, nothing started. `JSONFormatter` is for an app's
own logging configuration, with Otelier running or without.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from otelier.logformat.lines import Lines, Mask
from otelier.privacy import mask_field

__all__ = ["JSONFormatter"]


class JSONFormatter(logging.Formatter):
    """One line of JSON for each record; whatever the record, it is valid and nothing is raised.

    Fields: `timestamp` (RFC 3339, UTC), `level`, `message`, `logger`, `module`, `function`, `line`,
    `trace_id`, `span_id`, `request_id`, `user_id` (null outside of a trace and of a request), what
    the app has added as `extra`, `exception` with `type`, `message`, `stack` and `cause`.

    fields: names of the fields, `otelier`, `datadog` or `ecs`; ValueError for another one.
    service: `service.name`, `service.version` and `deployment.environment.name`, for every line.
    mask: (name, value) to what may be shown of it; asked about the message, each field of `extra`,
    and message and traceback of an exception. Unless another is given, what `docs/privacy.md` says.
    fmt, datefmt, style, validate and defaults are those of `logging.Formatter`, and not used: with
    them `fileConfig` and `dictConfig` can name this class.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
        fields: str = "otelier",
        service: Mapping[str, Any] | None = None,
        mask: Mask | None = mask_field,
    ) -> None:
        super().__init__()
        try:
            self._lines = Lines(fields, service, mask)
        except KeyError:
            raise ValueError(f"fields={fields!r}: expected otelier, datadog or ecs") from None

    def format(self, record: logging.LogRecord) -> str:
        return self._lines.of(record)
