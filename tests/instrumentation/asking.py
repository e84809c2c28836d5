"""One request to an ASGI app, in this process and by plain ASGI, and all that came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HEADER = "x-request-id"


@dataclass
class Answer:
    """What the app sent. error: what it raised on top."""

    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    error: BaseException | None = None

    def ids(self) -> list[str]:
        return [value for name, value in self.headers if name.lower() == HEADER]

    def take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(k.decode(), v.decode()) for k, v in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def scope_of(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """An ASGI scope as uvicorn makes it. headers: with `_` for `-`."""
    path, _, query = path.partition("?")
    given = {"host": "shop.example:8000", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in given.items()],
        "client": ("192.0.2.7", 50_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def converse(app: Any, scope: dict[str, Any], body: bytes = b"") -> Answer:
    """Send one request; an exception of the app is part of the answer."""
    answer = Answer()
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await asyncio.sleep(3600)  # the client stays connected
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        answer.take(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        answer.error = error
    return answer


def ask(app: Any, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """The same from a test that is not a coroutine."""
    return asyncio.run(converse(app, scope_of(path, method, **headers), body))
