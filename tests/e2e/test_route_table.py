"""The exact template of every kind of route, on every signal that carries one.

Real parts: uvicorn under the launcher, and the app of `tests/matrix/routed.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from otelier.cli.receiver import Receiver
from tests.e2e.serving import Caller, access_record, durations, serve, server_span
from tests.matrix.routed import TABLE, Row

MATRIX = Path(__file__).parents[1] / "matrix"
ROUTE = "http.route"

# With a root path, the server asks for `/proxy/…`, and the template begins with it, as the
# convention wants of an application's root.
ROOTED = (
    Row("/items/5", "/items/{item}"),
    Row("/api/q/1/p/2/5", "/api/q/{y}/p/{x}/{leaf}"),
    Row("/outer/1/inner/2", "/outer/{a}/inner/{b}"),
    Row("/outer/1/app/items/3", "/outer/{a}/app/items/{i}"),
    Row("/t/acme/nowhere", "/t/{tenant}/{path}", status=404),
    Row("/plain/3", "/plain/{q}"),
    Row("/nowhere", "", status=404),
)


def ask(url: str, table: Sequence[Row]) -> list[tuple[Row, Caller]]:
    asked = []
    with httpx.Client(base_url=url, timeout=20) as client:
        for row in table:
            caller = Caller()
            headers = {"host": row.host, **caller.headers}
            if row.method == "WS":
                status = websocket(url.replace("http", "ws") + row.path, caller)
            else:
                status = client.request(row.method, row.path, headers=headers).status_code
            assert status == row.status, row
            asked.append((row, caller))
    return asked


def websocket(url: str, caller: Caller) -> int:
    try:
        with connect(url, additional_headers=caller.headers) as socket:
            assert socket.response is not None
            return socket.response.status_code
    except InvalidStatus as refused:
        return refused.response.status_code


def check(asked: Sequence[tuple[Row, Caller]], receiver: Receiver) -> None:
    """Template and status are on the span, its name, the access record and the metric."""
    counted: Counter[tuple[str, int]] = Counter()
    for row, caller in asked:
        span, access = server_span(receiver, caller), access_record(receiver, caller)
        method = "GET" if row.method == "WS" else row.method
        found = (span.name, span.attributes.get(ROUTE, ""), access.attributes.get(ROUTE, ""))
        assert found == (f"{method} {row.template}".strip(), row.template, row.template), row
        assert span.attributes["http.response.status_code"] == row.status
        assert access.body.startswith(f"{method} {row.template or '(no route)'} {row.status} ")
        if row.method != "WS":
            counted[row.template, row.status] += 1
    points: Counter[tuple[str, int]] = Counter()
    for point in durations(receiver):
        key = point.attributes.get(ROUTE, ""), point.attributes["http.response.status_code"]
        points[key] += point.count
    assert points == counted


def test_the_table(receiver: Receiver, tmp_path: Path) -> None:
    """Every row: routers in routers, apps in apps, Starlette's routes, by host, at run time."""
    options, folder = ("--factory",), str(tmp_path)
    with serve("routed:create_app", receiver, *options, folder=MATRIX, TMPDIR=folder) as server:
        asked = ask(server.url, TABLE)
    check(asked, receiver)


@pytest.mark.parametrize("path", ["/proxy/v1", "/proxy/v1/"])
def test_the_root_path_of_a_server(receiver: Receiver, path: str, tmp_path: Path) -> None:
    """`uvicorn --root-path`: the proxy has cut it off, and uvicorn puts it back."""
    options, folder = ("--factory", "--root-path", path), str(tmp_path)
    with serve("routed:create_app", receiver, *options, folder=MATRIX, TMPDIR=folder) as server:
        asked = ask(server.url, ROOTED)
    check(with_root(asked), receiver)


def test_the_root_path_of_an_app(receiver: Receiver, tmp_path: Path) -> None:
    """`FastAPI(root_path=…)`, behind a proxy that cuts it off and behind one that does not.

    Where it is cut off, Starlette finds nothing below a mount.
    """
    flat = [row for row in ROOTED if row.path.startswith(("/items", "/api", "/plain", "/nowhere"))]
    program = "from tests.matrix.routed import create_app\napp = create_app(root_path='/proxy/v1')"
    (tmp_path / "rooted.py").write_text(program)
    variables = {"PYTHONPATH": str(MATRIX.parents[1]), "TMPDIR": str(tmp_path)}
    with serve("rooted:app", receiver, folder=tmp_path, **variables) as server:
        asked = ask(server.url, flat)
        asked += ask(server.url + "/proxy/v1", ROOTED)
    check(with_root(asked), receiver)


def with_root(asked: Sequence[tuple[Row, Caller]]) -> list[tuple[Row, Caller]]:
    return [
        (replace(row, template="/proxy/v1" + row.template if row.template else ""), caller)
        for row, caller in asked
    ]


FRONTEND = """
from pathlib import Path
from fastapi import APIRouter, Depends, FastAPI

Path("dist").mkdir()
Path("dist/index.html").write_text("hello")
Path("dist/app.js").write_text("hello")
app, router, guarded = FastAPI(), APIRouter(), APIRouter()
router.frontend("/web", directory="dist")
guarded.frontend("/", directory="dist")
app.include_router(router, prefix="/v1")
app.include_router(guarded, prefix="/guarded", dependencies=[Depends(lambda: None)])
app.frontend("/", directory="dist")
"""


def test_a_frontend(receiver: Receiver, tmp_path: Path) -> None:
    """Static builds that FastAPI serves when no route matched are named by where they are."""
    (tmp_path / "front.py").write_text(FRONTEND)
    table = [
        Row("/v1/web/app.js", "/v1/web/{path}"),
        Row("/v1/web/index.html", "/v1/web/{path}"),
        Row("/guarded/app.js", "/guarded/{path}"),
        Row("/app.js", "/{path}"),
        Row("/no.js", "/{path}", status=404),
    ]
    with serve("front:app", receiver, folder=tmp_path) as server:
        asked = ask(server.url, table)
    check(asked, receiver)
