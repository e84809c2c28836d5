"""What the name of a logger tells of its records, looked up once for each name."""

from __future__ import annotations

from typing import Final

ACCESS: Final = ("uvicorn.access", "gunicorn.access", "hypercorn.access")
SERVERS: Final = ("uvicorn", "gunicorn", "hypercorn", "granian", "daphne")

_SUPERVISORS: Final = ("uvicorn", "gunicorn", "watchfiles", "fastapi_cli")
_SDK: Final = "opentelemetry."
_ECHO: Final = "sqlalchemy.engine"
_COMMAND: Final = "fastapi_cli"
_MOST_KEPT: Final = 4096


class Origin:
    """is_sdk: of OpenTelemetry itself. is_access: a server's line about a request. is_server: of a
    server; is_supervisor: of one that may only watch over others. is_command: of FastAPI's own
    command, which speaks to whoever has typed it. is_echo: a statement that SQLAlchemy logs where
    an app asks it to.
    """

    __slots__ = ("is_access", "is_command", "is_echo", "is_sdk", "is_server", "is_supervisor")

    def __init__(self, name: str) -> None:
        self.is_sdk = f"{name}.".startswith(_SDK)
        self.is_access = name.startswith(ACCESS)
        self.is_server = name.startswith(SERVERS)
        self.is_supervisor = name.startswith(_SUPERVISORS)
        self.is_command = name.startswith(_COMMAND)
        self.is_echo = name.startswith(_ECHO)


class _Origins(dict[str, Origin]):
    def __missing__(self, name: str) -> Origin:
        if len(self) >= _MOST_KEPT:  # names that are data
            self.clear()
        found = self[name] = Origin(name)
        return found


ORIGINS: Final = _Origins()
"""By name; made where it is not known yet. A look costs 40 ns, a `startswith` 100."""
