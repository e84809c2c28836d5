"""What the fields of a line are called: three sets of names.

Sources: `otelier`, the design's table; `datadog`, its standard attributes and its names for ids in
logs (a trace id of 128 bits in hexadecimal, a span id in decimal); `ecs`, Elastic Common Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from otelier.fixed import fixed


@fixed
class Names:
    """exception: the field that holds all of it, where that is one; else type, message, stack and
    cause have names of their own. constant: fields of every line. service: of what a resource says.
    read_as_ours: further names that the backend would take for one of these.
    """

    timestamp: str = "timestamp"
    level: str = "level"
    message: str = "message"
    logger: str = "logger"
    module: str = "module"
    function: str = "function"
    line: str = "line"
    trace_id: str = "trace_id"
    span_id: str = "span_id"
    request_id: str = "request_id"
    user_id: str = "user_id"
    session_id: str = "session_id"
    stack_info: str = "stack_info"
    exception: str | None = "exception"
    exception_parts: Mapping[str, str] | None = None
    constant: Mapping[str, str] | None = None
    service: Mapping[str, str] | None = None
    read_as_ours: frozenset[str] = frozenset()
    span_is_decimal: bool = False

    @cached_property
    def reserved(self) -> frozenset[str]:
        """No field of the app's has one of these names."""
        own = {value for value in vars(self).values() if isinstance(value, str)}
        maps = (self.constant or {}, dict.fromkeys((self.service or {}).values()))
        parts = set((self.exception_parts or {}).values())
        return frozenset(own.union(*maps) | parts | {EXTRA, LEFT_OUT} | self.read_as_ours)

    @cached_property
    def parents(self) -> frozenset[str]:
        """`http` and `http.request` of `http.request.id`: backends read `{"http": …}` as that."""
        found: set[str] = set()
        for name in self.reserved:
            while name := name.rpartition(".")[0]:
                found.add(name)
        return frozenset(found)

    def clashes(self, name: str, value: object) -> bool:
        """Whether a field of the app's is, or holds, one of ours; or a text stands where ours need
        an object, for which Elasticsearch refuses the whole line."""
        if name in self.reserved:
            return True
        if name not in self.parents:
            return any(name.startswith(f"{own}.") for own in self.reserved if "." in own)
        return not isinstance(value, dict) or any(
            self.clashes(f"{name}.{key}", inner) for key, inner in value.items()
        )


EXTRA: Final = "extra"
"""Where fields of the app go that have the name of one of ours."""
LEFT_OUT: Final = "extra_left_out"
"""How many fields of the app found no room."""

_SERVICE: Final = "service.name"
_VERSION: Final = "service.version"
_STAGE: Final = "deployment.environment.name"

FIELDS: Final[Mapping[str, Names]] = {
    "otelier": Names(
        service={_SERVICE: "service", _VERSION: "version", _STAGE: "environment"},
    ),
    "datadog": Names(
        level="status",
        logger="logger.name",
        module="logger.module",
        function="logger.method_name",
        line="logger.line",
        trace_id="dd.trace_id",
        span_id="dd.span_id",
        request_id="http.request_id",
        user_id="usr.id",
        exception=None,
        exception_parts={
            "type": "error.kind",
            "message": "error.message",
            "stack": "error.stack",
            "cause": "error.cause",
            "exceptions": "error.exceptions",
        },
        service={_SERVICE: "dd.service", _VERSION: "dd.version", _STAGE: "dd.env"},
        read_as_ours=frozenset(
            ("@timestamp", "ddsource", "ddtags", "host", "service", "span_id", "trace_id")
        ),
        span_is_decimal=True,
    ),
    "ecs": Names(
        timestamp="@timestamp",
        level="log.level",
        logger="log.logger",
        module="log.origin.module",
        function="log.origin.function",
        line="log.origin.file.line",
        trace_id="trace.id",
        span_id="span.id",
        request_id="http.request.id",
        user_id="user.id",
        session_id="session.id",
        exception=None,
        exception_parts={
            "type": "error.type",
            "message": "error.message",
            "stack": "error.stack_trace",
            "cause": "error.cause",
            "exceptions": "error.exceptions",
        },
        constant={"ecs.version": "8.11.0"},
        service={
            _SERVICE: "service.name",
            _VERSION: "service.version",
            _STAGE: "service.environment",
        },
    ),
}
