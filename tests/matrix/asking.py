"""What every cell is asked: the program's own routes, then the table of routes."""

from __future__ import annotations

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.matrix.routed import TABLE

# method, path, body, status
SHOP = (
    ("GET", "/users/1", None, 200),
    ("GET", "/users/1", None, 200),
    ("GET", "/users/2", None, 404),
    ("GET", "/async-users/1", None, 200),
    ("POST", "/users", ["grace", "edsger"], 200),
    ("POST", "/users", "grace", 422),
    ("GET", "/conflict", None, 500),
    ("GET", "/logged", None, 200),
    ("GET", "/stream", None, 200),
)


def ask_everything(url: str) -> None:
    """Raises AssertionError where an answer is not as it should be."""
    # A connection each: uvicorn closes one after an unhandled exception.
    limits, headers = httpx.Limits(max_keepalive_connections=0), {"user-agent": "matrix"}
    with httpx.Client(base_url=url, timeout=20, headers=headers, limits=limits) as client:
        for method, path, body, status in SHOP:
            answer = client.request(method, path, json=body)
            assert answer.status_code == status, (method, path, answer)
        broken = False
        try:
            client.get("/stream?fail=true")
        except httpx.TransportError:
            broken = True
        assert broken, "the stream did not break"
        for row in TABLE:
            if row.method == "WS":
                found = websocket(url.replace("http", "ws") + row.path)
            else:
                answer = client.request(row.method, row.path, headers={"host": row.host})
                found = answer.status_code
            assert found == row.status, (row, found)


def websocket(url: str) -> int:
    """Status of the answer to the handshake."""
    try:
        with connect(url, user_agent_header="matrix") as socket:
            assert socket.response is not None
            return socket.response.status_code
    except InvalidStatus as refused:
        return refused.response.status_code
