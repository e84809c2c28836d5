"""The names of before 2023 that contrib's tests ask for, and those that ours give for them.

Used where everything is to run on our code: a suite's constants and literals are read as the
stable names, so that what fails is a difference in behaviour and not in spelling. Names without a
successor (`http.url`, `net.transport` …) stay as they are, and what asks for them fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STABLE: Mapping[str, str] = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "http.target": "url.path",
    "http.scheme": "url.scheme",
    "http.flavor": "network.protocol.version",
    "http.user_agent": "user_agent.original",
    "http.server.duration": "http.server.request.duration",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "net.peer.ip": "client.address",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "db.statement": "db.query.text",
    "db.system": "db.system.name",
    "db.name": "db.namespace",
    "db.operation": "db.operation.name",
    "opentelemetry.instrumentation.asgi": "otelier.http",
    "opentelemetry.instrumentation.fastapi": "otelier.http",
    "opentelemetry.instrumentation.redis": "otelier.cache",
    "opentelemetry.instrumentation.sqlalchemy": "otelier.database",
}

_LITERAL = re.compile(r'"([a-z_]+(?:\.[a-z_]+)+)"')


def translated(source: str) -> str:
    """A test's source with the literals that are a whole name replaced."""
    return _LITERAL.sub(lambda found: f'"{STABLE.get(found[1], found[1])}"', source)
